import { useSignal } from '@preact/signals';
import type { Choice } from '../../browser/runner.ts';
import { defaultSettings, shortName } from '../link.ts';
import { change, choices, settings } from '../state.ts';

/** The blocks, by package. */
export function Blocks() {
  const filter = useSignal('');
  const all = choices.value ?? [];
  const word = filter.value.trim().toLowerCase();
  const matching = all.filter((choice) => `${choice.block} ${choice.package}`.toLowerCase().includes(word));
  const groups = [...Map.groupBy(matching, (choice) => choice.package).values()];
  const chosen = new Set(settings.value.blocks);
  const set = (blocks: readonly Choice[], on: boolean) => {
    const isChosen = (choice: Choice) => (blocks.includes(choice) ? on : chosen.has(choice.block));
    change({ blocks: all.filter(isChosen).map(({ block }) => block) });
  };
  return (
    <fieldset>
      <legend>Blocks</legend>
      <label class="stacked">
        <span class="hidden">Filter blocks by name</span>
        <input type="search" placeholder="Filter by name" value={filter.value} onInput={(event) => (filter.value = event.currentTarget.value)} />
      </label>
      <div class="bar">
        <span aria-live="polite">
          {chosen.size} of {all.length} chosen
        </span>
        <button type="button" class="small" onClick={() => set(matching, true)}>
          {word ? 'Add these' : 'All'}
        </button>
        <button type="button" class="small" onClick={() => set(matching, false)}>
          {word ? 'Drop these' : 'None'}
        </button>
        <button type="button" class="small" onClick={() => change({ blocks: defaultSettings(all).blocks })}>
          Default
        </button>
      </div>
      {chosen.size > 0 && chosen.size <= 8 && <p class="hint">{settings.value.blocks.join(', ')}</p>}
      <ul class="blocks" aria-label="Blocks by package">
        {groups.map((group) => (
          <Package key={group[0].package} group={group} chosen={chosen} set={set} />
        ))}
        {groups.length === 0 && <li class="quiet">{choices.value ? `No block matches “${filter.value}”.` : 'Loading…'}</li>}
      </ul>
    </fieldset>
  );
}

interface PackageProps {
  readonly group: readonly Choice[];
  readonly chosen: ReadonlySet<string>;
  readonly set: (blocks: readonly Choice[], on: boolean) => void;
}

function Package({ group, chosen, set }: PackageProps) {
  if (group.length === 1) {
    return (
      <li>
        <Block choice={group[0]} note={shortName(group[0])} chosen={chosen} set={set} />
      </li>
    );
  }
  const count = group.filter(({ block }) => chosen.has(block)).length;
  return (
    <li>
      <label>
        <input
          type="checkbox"
          checked={count === group.length}
          indeterminate={count > 0 && count < group.length}
          onChange={(event) => set(group, event.currentTarget.checked)}
        />
        <span class="note">
          {shortName(group[0])}, all {group.length}
        </span>
      </label>
      <ul>
        {group.map((choice) => (
          <li key={choice.block}>
            <Block choice={choice} chosen={chosen} set={set} />
          </li>
        ))}
      </ul>
    </li>
  );
}

function Block({ choice, note, chosen, set }: Omit<PackageProps, 'group'> & { choice: Choice; note?: string }) {
  return (
    <label>
      <input type="checkbox" checked={chosen.has(choice.block)} onChange={(event) => set([choice], event.currentTarget.checked)} />
      {choice.block}
      {note && <span class="note">{note}</span>}
    </label>
  );
}
