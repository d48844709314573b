/** A table of text, before it is laid out. */
export interface Table {
  readonly title: string;
  /** What a reader has to know to read it. */
  readonly notes: readonly string[];
  /** Heads; the first column is text, the others are figures. */
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
}

/** Cells, or the first cell and a sentence instead of figures. */
export type Row = readonly string[] | { readonly name: string; readonly instead: string };

/** Lays a table out for a terminal. */
export function renderText({ title, notes, columns, rows }: Table): string {
  const lines = [columns, ...rows.filter(isCells)];
  const widths = columns.map((_, column) => Math.max(...lines.map((cells) => cells[column].length)));
  const nameWidth = Math.max(widths[0], ...rows.map((row) => (isCells(row) ? row[0] : row.name).length));
  const layOut = (cells: readonly string[]) =>
    cells.map((cell, column) => (column === 0 ? cell.padEnd(nameWidth) : cell.padStart(widths[column]))).join('  ');
  const body = rows.map((row) => (isCells(row) ? layOut(row) : `${row.name.padEnd(nameWidth)}  ${row.instead}`));
  return [title, ...notes.map((note) => `  ${note}`), layOut(columns), ...body, ''].join('\n');
}

/** Lays a table out as Markdown, a section of its own. */
export function renderMarkdown({ title, notes, columns, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const rule = `|${columns.map((_, column) => (column === 0 ? '---' : '---:')).join('|')}|`;
  const cellsOf = (row: Row) => (isCells(row) ? row : [row.name, row.instead, ...columns.slice(2).map(() => '')]);
  return [`### ${title}`, '', line(columns), rule, ...rows.map((row) => line(cellsOf(row))), '', ...notes.flatMap((note) => [`${note}  `]), ''].join(
    '\n',
  );
}

function isCells(row: Row): row is readonly string[] {
  return Array.isArray(row);
}
