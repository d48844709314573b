import { SIDE } from './network.ts';

/** Pictures of a class, those to learn from and those to be judged by. */
export interface BundledClass {
  readonly name: string;
  readonly train: readonly ImageData[];
  readonly test: readonly ImageData[];
}

const NAMES = ['Dress', 'Bag', 'Ankle boot'];
const [PER_CLASS, TRAIN, TILE] = [20, 8, 28];

/** The pictures in pictures.png, which has a row for each class. */
export async function loadBundled(): Promise<BundledClass[]> {
  const sheet = new Image();
  sheet.src = 'pictures.png';
  await sheet.decode();
  return NAMES.map((name, row) => {
    const pictures = Array.from({ length: PER_CLASS }, (_, column) => cut(sheet, column * TILE, row * TILE, TILE));
    return { name, train: pictures.slice(0, TRAIN), test: pictures.slice(TRAIN) };
  });
}

/** The middle square of what a camera sees. */
export function frameOf(video: HTMLVideoElement): ImageData {
  const { videoWidth: width, videoHeight: height } = video;
  const size = Math.min(width, height);
  return cut(video, (width - size) / 2, (height - size) / 2, size);
}

function cut(source: CanvasImageSource, left: number, top: number, size: number): ImageData {
  const canvas = new OffscreenCanvas(SIDE, SIDE);
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  context.imageSmoothingQuality = 'high';
  context.drawImage(source, left, top, size, size, 0, 0, SIDE, SIDE);
  return context.getImageData(0, 0, SIDE, SIDE);
}
