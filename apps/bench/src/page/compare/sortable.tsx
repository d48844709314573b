import { useSignal } from '@preact/signals';
import { Fragment } from 'preact';
import type { Row, Table } from '../../report/table.ts';

interface SortableProps {
  readonly table: Table;
  /** A class for a cell with this text. */
  readonly tone?: (cell: string) => string | undefined;
}

/** A table that its heads sort; it scrolls sideways within itself where the screen is narrow. */
export function Sortable({ table: { title, notes, columns, rows }, tone }: SortableProps) {
  const order = useSignal<{ column: number; descending: boolean } | null>(null);
  const sort = (column: number) => {
    const again = order.value?.column === column;
    order.value = { column, descending: again && !order.value!.descending };
  };
  const directionOf = (column: number) => {
    if (order.value?.column !== column) return undefined;
    return order.value.descending ? 'descending' : 'ascending';
  };
  return (
    <section class="table">
      <h3>{title}</h3>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reached by the keyboard */}
      <div class="scroll" role="region" aria-label={title} tabIndex={0}>
        <table>
          <thead>
            <tr>
              {columns.map((name, column) => (
                <th key={name} scope="col" aria-sort={directionOf(column)}>
                  <button type="button" onClick={() => sort(column)}>
                    {name}
                    <span class="arrow" aria-hidden="true">
                      {{ ascending: '▲', descending: '▼', none: '' }[directionOf(column) ?? 'none']}
                    </span>
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {inOrder(rows, order.value).map((row, i) => (
              <TableRow key={i} row={row} columns={columns.length} tone={tone} />
            ))}
          </tbody>
        </table>
      </div>
      {notes.map((note) => (
        <p key={note} class="hint">
          {note}
        </p>
      ))}
    </section>
  );
}

function TableRow({ row, columns, tone }: { row: Row; columns: number; tone: SortableProps['tone'] }) {
  if ('name' in row) {
    return (
      <tr>
        <RowHead name={row.name} />
        <td colSpan={columns - 1} class="instead">
          {row.instead}
        </td>
      </tr>
    );
  }
  return (
    <tr>
      <RowHead name={row[0]} />
      {row.slice(1).map((cell, i) => (
        <td key={i} class={tone?.(cell)}>
          {cell}
        </td>
      ))}
    </tr>
  );
}

/** A name that may be broken where a word of it begins. */
function RowHead({ name }: { name: string }) {
  return (
    <th scope="row">
      {name.split(/(?<=[a-z])(?=[A-Z])/).map((word, i) => (
        <Fragment key={i}>
          {i > 0 && <wbr />}
          {word}
        </Fragment>
      ))}
    </th>
  );
}

/** Rows in the order of a column; those without a figure in it last, in either direction. */
function inOrder(rows: readonly Row[], order: { column: number; descending: boolean } | null): readonly Row[] {
  if (!order) return rows;
  const { column, descending } = order;
  const valueOf = (row: Row) => ('name' in row ? null : sortValue(row[column]));
  return rows.toSorted((a, b) => {
    const [first, second] = [valueOf(a), valueOf(b)];
    if (first === null || second === null) return Number(first === null) - Number(second === null);
    const difference = typeof first === 'number' && typeof second === 'number' ? first - second : String(first).localeCompare(String(second));
    return descending ? -difference : difference;
  });
}

/** A cell's figure: the size of a shape, the first number of others. Its text where it has none; null where it is empty. */
function sortValue(cell: string): number | string | null {
  if (cell === '–' || cell === '') return null;
  if (/^\d+(×\d+)+$/.test(cell)) return cell.split('×').reduce((product, size) => product * Number(size), 1);
  const value = Number.parseFloat(cell.replaceAll(',', ''));
  return Number.isNaN(value) ? cell : value;
}
