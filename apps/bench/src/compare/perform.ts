import type { BackendInUse, BackendName } from '@saccade/backends/names';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Dataset } from '../data/images.ts';
import type { Normalisation } from '../data/normalisation.ts';
import { train, type Training } from '../engine/accuracy.ts';
import { measureCopy } from '../engine/copy.ts';
import { measureLatency } from '../engine/latency.ts';
import { matchOf, type Match, type Refusal } from '../engine/match.ts';
import type { MemoryGauge } from '../engine/memory.ts';
import type { Peer, PeerStarters } from '../engine/peer.ts';
import { primitiveMatch } from '../engine/primitives.ts';
import type { Watch } from '../engine/sampling.ts';
import type { BenchEntry } from '../entry.ts';
import type { Graph } from '../peers/graph.ts';
import type { PeerName } from '../peers/names.ts';
import type { BackendChoice, Job, JobOutcome, LatencyJob, Subject, TrainingJob } from './jobs.ts';
import type { BenchPackage } from './packages.ts';

/** A trained network, and what there is to say of it. */
export interface TrainedNetwork {
  readonly network: LayersModel;
  readonly training: Training;
  readonly normalisation: Normalisation;
  /** What its task was made from. */
  readonly images: Dataset;
  readonly job: TrainingJob;
}

/** What a job needs of the process or worker that does it. */
export interface Host {
  readonly packages: readonly BenchPackage[];
  /**
   * @param training whether networks are to be trained. Latency is measured without: on the wasm backend as it is published, which is what an
   * application gets that only infers. wasm-train makes some products faster, those of baselines above all.
   */
  readonly startBackend: (choice: BackendChoice, training: boolean) => Promise<BackendInUse>;
  readonly gaugeFor: (backend: BackendInUse) => MemoryGauge;
  readonly loadImages: (data: string) => Promise<Dataset>;
  /** Keeps a trained network; absent where nothing can be kept. */
  readonly save?: (trained: TrainedNetwork) => Promise<void>;
  /** Starts a library that blocks are compared with; absent where there are none. */
  readonly startPeer?: (name: PeerName, graph: Graph, input: Tensor, backend: BackendName) => Promise<Peer>;
  readonly watch?: Watch;
  readonly onProgress: (fraction: number) => void;
}

const LEFT_OUT: Refusal = { refused: 'not run: it was left out' };

/** Does a job here. */
export async function perform(job: Job, host: Host): Promise<JobOutcome[Job['job']]> {
  const backend = await host.startBackend(job.backend, job.job === 'training');
  if (job.job === 'probe') return { ...backend, copyBytesPerSecond: await measureCopy() };
  const onProgress = throttled(host.onProgress);
  if (job.job === 'training') return performTraining(job, { ...host, onProgress });
  const match = await matchFor(job, host);
  const options = { timeMs: job.timeMs, gauge: host.gaugeFor(backend), onProgress, watch: host.watch, peers: peersFor(job, match, host) };
  return measureLatency(job.alone ? { ...match, baseline: LEFT_OUT } : match, options);
}

/** Those that were asked for, where the block has a graph for them. */
function peersFor({ peers = [], backend }: LatencyJob, { graph, input }: Match, { startPeer }: Host): PeerStarters {
  if (!graph || !startPeer) return {};
  return Object.fromEntries(peers.map((name) => [name, async () => startPeer(name, await graph(), input, backend)]));
}

async function matchFor({ subject, shape }: LatencyJob, host: Host): Promise<Match> {
  return subject.kind === 'primitive' ? primitiveMatch(subject.block, shape) : matchOf(await entryOf(subject, host), shape);
}

async function performTraining(job: TrainingJob, host: Host): Promise<JobOutcome['training']> {
  const { subject, task, data, seed, epochs } = job;
  const entry = subject && (await entryOf(subject, host));
  const insert = entry && { slot: entry.slot, layer: entry.hostLayer ?? entry.layer };
  const images = await host.loadImages(data);
  const { training, ...trained } = await train(task, images, insert, { seed, epochs, onProgress: host.onProgress });
  if (job.saveTo !== undefined) await host.save?.({ ...trained, training, images, job });
  return training;
}

async function entryOf(subject: Subject, { packages }: Host): Promise<BenchEntry> {
  const entries = await packages.find(({ name }) => name === subject.package)!.load();
  return entries.find(({ block }) => block === subject.block)!;
}

/** Passes on at most four reports a second, so that reporting costs the measurement nothing. */
function throttled(report: (fraction: number) => void): (fraction: number) => void {
  let last = 0;
  return (fraction) => {
    const now = performance.now();
    if (now - last < 250) return;
    last = now;
    report(fraction);
  };
}
