import { lazy, Suspense } from 'preact/compat';
import { Guard } from '../guard.tsx';
import { against, againstKey, live, running, shown, shownKey } from '../state.ts';
import { DifferenceTables } from './differences.tsx';
import { Progress } from './progress.tsx';
import { LiveTable, Results } from './results.tsx';
import { Runs } from './runs.tsx';
import { Setup } from './setup.tsx';

const Plots = lazy(async () => ({ default: (await import('./plots.tsx')).Plots }));

/** Chooses, runs and shows. */
export function Compare() {
  return (
    <div class="compare">
      <h1>How fast is attention on this device?</h1>
      <p class="lead">
        Visual attention blocks as TensorFlow.js layers: how fast each runs here against the form in which one would write it down, and what each does
        for the accuracy of the same small network.
      </p>
      <Setup />
      <div tabIndex={-1} class={`outcome ${running.value ? 'under-way' : ''}`}>
        <Progress />
        {running.value ? live.value.length > 0 && <LiveTable /> : <Finished />}
      </div>
    </div>
  );
}

/** Not while a run is under way: drawing would disturb its timings. */
function Finished() {
  return (
    <>
      <Runs />
      {shown.value && (
        <>
          {against.value && <DifferenceTables first={shown.value.run} second={against.value.run} />}
          <Results run={shown.value.run} />
          <Guard key={`${shownKey.value} ${againstKey.value}`} what="The plots">
            <Suspense fallback={<p class="quiet">Drawing…</p>}>
              <Plots />
            </Suspense>
          </Guard>
        </>
      )}
    </>
  );
}
