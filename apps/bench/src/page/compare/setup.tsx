import { useComputed } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import type { Device } from '../../browser/runner.ts';
import { TASKS, type TaskName } from '../../tasks/names.ts';
import { LIMITS, parseShapes, type Settings } from '../link.ts';
import { change, choices, device, devices, links, measure, notify, running, settings, shapesText } from '../state.ts';
import { Blocks } from './blocks.tsx';

const MEASURES: Record<Settings['command'], string> = { compare: 'Both', latency: 'Latency', accuracy: 'Accuracy' };

/** Lists of shapes that a button fills in. */
const SHAPE_LISTS = {
  'ResNet-50’s': '1x56x56x256, 1x28x28x512, 1x14x14x1024',
  'Growing map': '1x8x8x64, 1x16x16x64, 1x32x32x64, 1x64x64x64',
};

/** All choices, and the button that starts the run. */
export function Setup() {
  const onSubmit = (event: Event) => {
    event.preventDefault();
    measure();
    if (!running.value) return;
    // Once it is drawn: a small screen has to be scrolled to it, and the button that had the focus is disabled.
    requestAnimationFrame(() => {
      const outcome = document.querySelector<HTMLElement>('.outcome');
      outcome?.scrollIntoView({ block: 'start' });
      outcome?.focus({ preventScroll: true });
    });
  };
  return (
    <form class="setup" onSubmit={onSubmit} aria-label="Choices for a run">
      <fieldset class="bare" disabled={running.value !== null || choices.value === null}>
        <Measure />
        <Blocks />
        <Backends />
        {settings.value.command !== 'accuracy' && <Shapes />}
        {settings.value.command !== 'latency' && <Training />}
        <fieldset>
          <legend>Time</legend>
          <Count
            name="budget"
            label="Seconds in all"
            value={settings.value.budgetSeconds}
            onChange={(value) => change({ budgetSeconds: value ?? 120 })}
          />
          <p class="hint">More blocks and shapes in the same time leave fewer samples for each.</p>
        </fieldset>
      </fieldset>
      <div class="go">
        <button type="submit" class="primary" disabled={running.value !== null || !device.value}>
          Run
        </button>
        <CopyLink />
      </div>
    </form>
  );
}

function Measure() {
  return (
    <fieldset>
      <legend>Measure</legend>
      <div class="options">
        {(Object.keys(MEASURES) as Settings['command'][]).map((command) => (
          <label key={command}>
            <input type="radio" name="measure" checked={settings.value.command === command} onChange={() => change({ command })} />
            {MEASURES[command]}
          </label>
        ))}
      </div>
    </fieldset>
  );
}

function Backends() {
  return (
    <fieldset>
      <legend>Backend</legend>
      {devices.value === null && <p class="quiet">Looking at what this device has…</p>}
      {devices.value?.map((candidate) => (
        <BackendChoice key={candidate.backend} candidate={candidate} />
      ))}
      {device.value && device.value.maxThreads > 1 && (
        <Count
          name="threads"
          label="Threads"
          most={device.value.maxThreads}
          value={Math.min(settings.value.threads, device.value.maxThreads)}
          onChange={(value) => change({ threads: value ?? 1 })}
        />
      )}
    </fieldset>
  );
}

function BackendChoice({ candidate: { backend, device: name, software, missing } }: { candidate: Device }) {
  return (
    <label class="backend">
      <input
        type="radio"
        name="backend"
        disabled={missing !== null}
        checked={device.value?.backend === backend}
        onChange={() => change({ backend })}
      />
      <span>
        <strong>{backend}</strong> {name}
        {software && <em class="warning">software renderer: timings say nothing about a GPU</em>}
        {missing !== null && <em class="hint">{missing}</em>}
      </span>
    </label>
  );
}

function Shapes() {
  const problem = useComputed(() => problemOf(shapesText.value));
  const type = (text: string) => {
    shapesText.value = text;
    if (problemOf(text) === null) change({ shapes: parseShapes(text) });
  };
  const own = settings.value.shapes === null;
  return (
    <fieldset>
      <legend>Shapes</legend>
      <div class="options">
        <label>
          <input type="radio" name="shapes" checked={own} onChange={() => change({ shapes: null })} />
          Each block’s own
        </label>
        <label>
          <input
            type="radio"
            name="shapes"
            checked={!own}
            onChange={() => type(problemOf(shapesText.value) === null ? shapesText.value : SHAPE_LISTS['Growing map'])}
          />
          These
        </label>
      </div>
      {!own && (
        <>
          <label class="stacked">
            Batch × height × width × channels, by commas
            <textarea
              rows={2}
              spellcheck={false}
              value={shapesText.value}
              aria-invalid={problem.value !== null}
              aria-describedby="shapes-problem"
              onInput={(event) => type(event.currentTarget.value)}
            />
          </label>
          <p class="problem" id="shapes-problem" aria-live="polite">
            {problem.value}
          </p>
          <p class="hint actions">
            Fill in:
            {Object.entries(SHAPE_LISTS).map(([name, text]) => (
              <button key={name} type="button" class="small" onClick={() => type(text)}>
                {name}
              </button>
            ))}
          </p>
        </>
      )}
    </fieldset>
  );
}

function Training() {
  const toggle = (task: TaskName) => {
    const { tasks } = settings.value;
    change({ tasks: TASKS.filter((name) => tasks.includes(name) !== (name === task)) });
  };
  return (
    <fieldset>
      <legend>Training</legend>
      <div class="options">
        {TASKS.map((task) => (
          <label key={task}>
            <input type="checkbox" checked={settings.value.tasks.includes(task)} onChange={() => toggle(task)} />
            {task}
          </label>
        ))}
      </div>
      <div class="options">
        <Count name="epochs" label="Epochs" placeholder="3" value={settings.value.epochs} onChange={(epochs) => change({ epochs })} />
        <Count name="seeds" label="Seeds" placeholder="any" value={settings.value.seeds} onChange={(seeds) => change({ seeds })} />
      </div>
      <p class="hint">
        Left empty: three epochs, and as many seeds as the time allows. What is given here is trained to the end, beyond the time too.
      </p>
    </fieldset>
  );
}

interface CountProps {
  readonly name: keyof typeof LIMITS;
  readonly label: ComponentChildren;
  readonly value: number | null;
  readonly placeholder?: string;
  readonly most?: number;
  /** Told null where the field is empty. */
  readonly onChange: (value: number | null) => void;
}

/** A whole number within its limits; what lies outside is brought to the nearest that does not. */
function Count({ name, label, value, placeholder = '', most = LIMITS[name][1], onChange }: CountProps) {
  const [least] = LIMITS[name];
  const take = (input: HTMLInputElement) => {
    const given = Math.round(input.valueAsNumber);
    const taken = Number.isNaN(given) ? null : Math.min(most, Math.max(least, given));
    onChange(taken);
    // Also where the setting stays as it was, and nothing is drawn anew.
    if (taken !== null) input.value = String(taken);
  };
  return (
    <label class="count">
      {label}
      <input
        type="number"
        inputMode="numeric"
        min={least}
        max={most}
        step={1}
        value={value ?? ''}
        placeholder={placeholder}
        onChange={(event) => take(event.currentTarget)}
      />
    </label>
  );
}

function CopyLink() {
  const href = `${location.origin}${location.pathname}${links.value.run}`;
  const copy = async (event: Event) => {
    if (!navigator.clipboard) return;
    event.preventDefault();
    await navigator.clipboard.writeText(href).then(
      () => notify('info', 'The link is copied. Whoever opens it starts this run on their device.'),
      () => notify('error', `The browser did not let the link be copied. It is ${href}`),
    );
  };
  return (
    <a class="button" href={href} onClick={(event) => void copy(event)}>
      Copy link to this run
    </a>
  );
}

function problemOf(text: string): string | null {
  try {
    return parseShapes(text).length === 0 ? 'Give at least one shape, e.g. 1x56x56x256.' : null;
  } catch (error) {
    return (error as Error).message;
  }
}
