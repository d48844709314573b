import { useEffect } from 'preact/hooks';
import { Attention } from './attention.tsx';
import { Appearance, Network, PictureChoice } from './choices.tsx';
import { Cam, Predicted } from './prediction.tsx';
import { busy, files, problem, viewer } from './state.ts';
import { start } from './work.ts';
import './look.css';

/** The view that shows what blocks attend to, in pictures. */
export function Look() {
  useEffect(() => void start(), []);
  return (
    <div class="look" aria-busy={busy.value > 0}>
      <header>
        <h1>See what it attends to</h1>
        <p class="lead">A picture goes through a small trained network, and the maps of its attention block lie over it.</p>
      </header>
      <div class="controls">
        <Network />
        <PictureChoice />
      </div>
      <div class="seen">
        {problem.value && (
          <p class="notice error" role="alert">
            {problem.value}
          </p>
        )}
        {viewer.value ? <Seen /> : <Missing />}
      </div>
    </div>
  );
}

function Seen() {
  return (
    <>
      <Appearance />
      <div class="panels">
        <Attention />
        <div class="beside">
          <Predicted />
          <Cam />
        </div>
      </div>
    </>
  );
}

function Missing() {
  if (files.value === null || busy.value > 0) return <p class="quiet">Loading…</p>;
  if (files.value.length > 0) return null;
  return (
    <p>
      There are no trained networks here. This makes some, and the server of <code>saccade-bench serve</code> then brings them:{' '}
      <code>npm run bench -- accuracy --tasks scenes --seeds 1 --save apps/bench/networks</code>
    </p>
  );
}
