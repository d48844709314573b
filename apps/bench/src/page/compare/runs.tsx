import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { saveFile } from '../files.ts';
import { labelOf } from '../server.ts';
import { against, againstKey, drop, held, loadFiles, loadFromServer, send, serverRuns, shown, shownKey, type HeldRun } from '../state.ts';

/** The runs that the page holds, and where more come from: files, and the server that the page comes from. */
export function Runs() {
  return (
    <section class="runs">
      <h2>Runs</h2>
      {held.value.length === 0 && <p>No run yet. Choose what to measure and press Run, or look at results that were saved.</p>}
      {shown.value && (
        <div class="pair">
          <Held name="A" label={held.value.length > 1 ? 'Run A' : 'Run'} entry={shown.value} />
          {held.value.length > 1 && <Held name="B" label="against run B" entry={against.value} />}
        </div>
      )}
      <Load />
      <OnServer />
    </section>
  );
}

/** The choice of the run that is shown, or of that which it is compared with; and what can be done with it. */
function Held({ name, label, entry }: { name: 'A' | 'B'; label: string; entry: HeldRun | null }) {
  const key = name === 'A' ? shownKey : againstKey;
  const choose = (chosen: string) => {
    // The two change places rather than become the same.
    if (name === 'A' && chosen === againstKey.value) againstKey.value = shownKey.value;
    key.value = chosen === '' ? null : chosen;
  };
  return (
    <div class="held">
      <label class="stacked">
        <span>
          <span class={`swatch ${name}`} aria-hidden="true" /> {label}
        </span>
        <select onChange={(event) => choose(event.currentTarget.value)}>
          {name === 'B' && (
            <option value="" selected={entry === null}>
              none
            </option>
          )}
          {held.value
            .filter((other) => name === 'A' || other.key !== shownKey.value)
            .map((other) => (
              <option key={other.key} value={other.key} selected={other.key === entry?.key}>
                {other.name}
              </option>
            ))}
        </select>
      </label>
      {entry && <p class="hint">{labelOf(entry.run.environment)}</p>}
      {entry && (
        <p class="actions">
          <button type="button" class="small" onClick={() => saveFile(entry.run)}>
            Save
          </button>
          {serverRuns.value && entry.serverId === null && (
            <button type="button" class="small" onClick={() => void send(entry)}>
              Send to this server
            </button>
          )}
          <button type="button" class="small" onClick={() => drop(entry.key)}>
            Remove
          </button>
        </p>
      )}
      {entry?.run.environment.software && <p class="warning">Software renderer: these timings say nothing about a GPU.</p>}
      {entry?.run.environment.interrupted && <p class="hint">Ended early: what is there is right, but not all that was asked for.</p>}
    </div>
  );
}

function Load() {
  const dragging = useSignal(false);
  useEffect(() => {
    const over = (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      dragging.value = true;
    };
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) dragging.value = false;
    };
    const dropped = (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      dragging.value = false;
      void loadFiles([...event.dataTransfer.files]);
    };
    document.addEventListener('dragover', over);
    document.addEventListener('dragleave', leave);
    document.addEventListener('drop', dropped);
    return () => {
      document.removeEventListener('dragover', over);
      document.removeEventListener('dragleave', leave);
      document.removeEventListener('drop', dropped);
    };
  }, [dragging]);
  const take = (input: HTMLInputElement) => {
    void loadFiles([...(input.files ?? [])]);
    // So that the same file can be given again.
    input.value = '';
  };
  return (
    <label class={`drop ${dragging.value ? 'over' : ''}`}>
      <input type="file" class="hidden" multiple accept="application/json,.json" onChange={(event) => take(event.currentTarget)} />
      <strong>Load results</strong> <span>or drop files anywhere on this page</span>
    </label>
  );
}

function OnServer() {
  if (!serverRuns.value) return null;
  const loaded = new Set(held.value.map(({ serverId }) => serverId));
  return (
    <details>
      <summary>
        {serverRuns.value.length} {serverRuns.value.length === 1 ? 'run' : 'runs'} on this server
      </summary>
      <ul class="server">
        {serverRuns.value.map(({ id, label, results }) => (
          <li key={id}>
            <span>
              {label} <span class="note">{results} results</span>
            </span>
            <button type="button" class="small" disabled={loaded.has(id)} aria-label={`Load ${label}`} onClick={() => void loadFromServer(id)}>
              {loaded.has(id) ? 'Loaded' : 'Load'}
            </button>
          </li>
        ))}
      </ul>
    </details>
  );
}
