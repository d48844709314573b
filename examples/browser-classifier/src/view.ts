import { SIDE } from './network.ts';

/** The element of index.html with an id, which is of a kind. */
export function find<E extends Element>(id: string, kind: new () => E): E {
  const element = document.querySelector(`#${id}`);
  if (!(element instanceof kind)) throw new Error(`index.html has no ${kind.name} with the id "${id}".`);
  return element;
}

/** What one can do with a class that is taught by webcam. */
export interface Teaching {
  readonly rename: (name: string) => void;
  readonly take: () => Promise<void>;
  /** How many pictures `take` takes. */
  readonly burst: number;
}

/** A class and its pictures. */
export function card({ name, pictures }: { name: string; pictures: readonly ImageData[] }, teaching: Teaching | null): Element {
  const thumbnails = element('div', { className: 'thumbnails', ariaHidden: 'true' }, ...pictures.map((picture) => canvasOf(picture, name)));
  const count = element('p', { className: 'quiet', textContent: `${pictures.length} pictures` });
  if (!teaching) return element('li', {}, element('h3', { textContent: name }), count, thumbnails);
  const input = element('input', { value: name, ariaLabel: 'Name of the class' });
  input.addEventListener('input', () => teaching.rename(input.value));
  const take = element('button', { textContent: `Take ${teaching.burst} pictures` });
  take.addEventListener('click', () => void teaching.take());
  return element('li', {}, input, take, count, thumbnails);
}

/** How far fine-tuning has come, by the losses so far. */
export function showLosses(losses: readonly number[], epochs: number): void {
  const [progress, curve, text] = [find('progress', HTMLProgressElement), find('curve', SVGElement), find('loss', HTMLElement)];
  progress.value = losses.length / epochs;
  curve.toggleAttribute('hidden', losses.length < 2);
  const most = Math.max(...losses);
  const points = losses.map((loss, i) => `${(320 * i) / (epochs - 1)},${86 - (80 * loss) / most}`);
  curve.querySelector('polyline')!.setAttribute('points', points.join(' '));
  const [first, last] = [losses[0], losses.at(-1)].map((loss) => loss?.toFixed(3));
  text.textContent = losses.length > 0 ? `Epoch ${losses.length} of ${epochs}: loss ${last}, at first ${first}.` : '';
}

export interface Answer {
  readonly picture: ImageData;
  readonly shows: string;
  readonly said: string;
  readonly probability: number;
  readonly right: boolean;
}

/** Pictures with what a network says of them. */
export function gallery(results: readonly Answer[]): Element[] {
  return results.map(({ picture, shows, said, probability, right }) => {
    const mark = element('span', {
      className: right ? 'right' : 'wrong',
      textContent: right ? '✓' : '✗',
      ariaLabel: right ? 'right:' : 'wrong:',
      role: 'img',
    });
    return element('li', { className: 'answer' }, canvasOf(picture, shows), element('span', {}, mark, ` ${said} ${percent(probability)}`));
  });
}

/** A bar for each class, as long as the class is probable. */
export function bars(names: readonly string[]): { row: Element; show: (probability: number) => void }[] {
  return names.map((name) => {
    const [meter, value] = [element('meter', { ariaLabel: name }), element('span', {})];
    const show = (probability: number) => {
      meter.value = probability;
      value.textContent = percent(probability);
    };
    return { row: element('li', { className: 'bar' }, element('span', { textContent: name }), meter, value), show };
  });
}

function percent(probability: number): string {
  return `${(100 * probability).toFixed(0)}\u00a0%`;
}

function canvasOf(picture: ImageData, shows: string): Element {
  const canvas = element('canvas', { width: SIDE, height: SIDE, role: 'img', ariaLabel: shows });
  canvas.getContext('2d')!.putImageData(picture, 0, 0);
  return canvas;
}

function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]>,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}
