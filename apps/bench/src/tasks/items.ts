import type { ImageSet } from '../data/images.ts';

/** Below it a pixel is as good as black: Fashion-MNIST's images have specks around the items. */
const DARK = 16;

/**
 * Which of an image's pixels belong to the item: all that do not hang together with the image's border by dark ones. An image without a dark
 * background is an item as a whole.
 *
 * @returns `[height, width]`, 1 for the item
 */
export function silhouetteOf({ pixels, height, width, channels }: ImageSet, image: number): Uint8Array {
  const size = height * width;
  const isDark = (position: number) => {
    const start = (image * size + position) * channels;
    for (let i = start; i < start + channels; i++) if (pixels[i] >= DARK) return false;
    return true;
  };
  const item = new Uint8Array(size).fill(1);
  const pending: number[] = [];
  const visit = (row: number, column: number) => {
    const position = row * width + column;
    if (row < 0 || row >= height || column < 0 || column >= width || item[position] === 0 || !isDark(position)) return;
    item[position] = 0;
    pending.push(position);
  };
  for (let row = 0; row < height; row++) for (const column of [0, width - 1]) visit(row, column);
  for (let column = 0; column < width; column++) for (const row of [0, height - 1]) visit(row, column);
  while (pending.length > 0) {
    const position = pending.pop()!;
    const [row, column] = [Math.floor(position / width), position % width];
    for (const step of [-1, 1]) {
      visit(row + step, column);
      visit(row, column + step);
    }
  }
  return item;
}
