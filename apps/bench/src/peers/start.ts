import type { BackendName } from '@saccade/backends/names';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { Peer } from '../engine/peer.ts';
import type { Graph } from './graph.ts';
import type { PeerName } from './names.ts';

/** Starts a library with a graph and its input, on what compares with a backend of ours. */
export async function startPeer(name: PeerName, graph: Graph, input: Tensor, backend: BackendName): Promise<Peer> {
  if (name === 'ort-web') return (await import('./ort-web.ts')).ortWeb(graph, input);
  return (await import('./torch.ts')).torch(graph, input, backend === 'webgpu' ? 'cuda' : 'cpu');
}
