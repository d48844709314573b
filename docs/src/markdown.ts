/** A Markdown table. Bars within cells are escaped. */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  { numbers = [] }: { numbers?: readonly number[] } = {},
): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`)).join(' | ')} |`;
  const rule = header.map((_, column) => (numbers.includes(column) ? '--:' : '---'));
  return [line(header), line(rule), ...rows.map(line)].join('\n');
}

/** A whole number with its thousands apart. */
export function whole(value: number): string {
  return value.toLocaleString('en-US');
}

/** A count in three digits, with a unit: 9,830,400 is 9.83 M. */
export function short(value: number): string {
  const units: [number, string][] = [
    [1e9, '\u00A0G'],
    [1e6, '\u00A0M'],
    [1e3, '\u00A0k'],
  ];
  const [size, unit] = units.find(([size]) => value >= size) ?? [1, ''];
  return Number((value / size).toPrecision(3)).toString() + unit;
}
