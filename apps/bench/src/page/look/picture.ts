/** Pictures to look through, wherever they come from. */
import type { ImageSet } from '../../data/images.ts';
import { tasks } from '../../tasks/tasks.ts';
import type { Viewer } from '../../look/viewer.ts';
import chelsea from '../../../photos/chelsea.jpg?url';
import coffee from '../../../photos/coffee.jpg?url';

/** How large a picture is kept to be shown. */
const SHOWN = 384;

/** A square picture. */
export interface Picture {
  readonly name: string;
  readonly canvas: HTMLCanvasElement;
  /** For an image of the task itself: its true label, or those of all pixels. */
  readonly truth: Uint8Array | null;
  /** Its own pixels, where it has the form that the network takes. */
  readonly pixels: Uint8Array | null;
}

export const PHOTOS = [
  { name: 'Chelsea the cat', url: chelsea, credit: 'Stéfan van der Walt, CC0' },
  { name: 'Coffee', url: coffee, credit: 'Rachel Michetti, CC0' },
] as const;

/** @throws where the browser can read no picture from it */
export async function pictureFrom(name: string, source: Blob): Promise<Picture> {
  const bitmap = await createImageBitmap(source).catch(() => null);
  if (!bitmap) throw new Error(`${name} is no picture that this browser can read. Give a JPEG, PNG or WebP.`);
  const picture = cropped(name, bitmap, bitmap.width, bitmap.height);
  bitmap.close();
  return picture;
}

export async function photo({ name, url }: (typeof PHOTOS)[number]): Promise<Picture> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`The picture "${name}" cannot be fetched (${response.status}).`);
  return pictureFrom(name, await response.blob());
}

/** The frame that a video shows. */
export function frameOf(video: HTMLVideoElement): Picture {
  return cropped('Webcam', video, video.videoWidth, video.videoHeight);
}

/** One of the images of the task's own test set. */
export function testImage({ task, format: { height, width, channels } }: Viewer, test: ImageSet, index: number): Picture {
  const pixels = test.pixels.slice(index * height * width * channels, (index + 1) * height * width * channels);
  const perImage = test.labels.length / test.count;
  const canvas = canvasOf(width, height);
  const image = new ImageData(width, height);
  for (let p = 0; p < height * width; p++) {
    for (let c = 0; c < 3; c++) image.data[4 * p + c] = pixels[p * channels + (channels === 3 ? c : 0)];
    image.data[4 * p + 3] = 255;
  }
  context(canvas).putImageData(image, 0, 0);
  const name = `${task.name}, test image ${index + 1}`;
  return { name, canvas, truth: test.labels.slice(index * perImage, (index + 1) * perImage), pixels };
}

/** The test set of a viewer's task, made from the images that the server has. */
export async function testSet({ task, provenance: { images } }: Viewer): Promise<ImageSet> {
  const index = await get('data/images.json').then(async (response) => (await response.json()) as { name: string; classes: number; test: ImageSet });
  const { height, width, channels } = index.test;
  if (height !== images.height || width !== images.width || channels !== images.channels) {
    throw new Error(
      `The server's images are ${height}×${width}×${channels}, but the network's task is made from ${images.height}×${images.width}×${images.channels}. Look at another picture.`,
    );
  }
  const [pixels, labels] = await Promise.all(
    ['pixels', 'labels'].map(async (part) => new Uint8Array(await (await get(`data/test-${part}.bin`)).arrayBuffer())),
  );
  const test = { ...index.test, pixels, labels };
  // Of what is made from training images nothing is used here.
  return tasks[task.name].dataset({ name: index.name, classes: index.classes, train: test, test }).test;
}

/** A picture as the network takes it: scaled, in as many channels, 0 to 255; inverted, if wanted. */
export function pixelsFor({ format: { height, width, channels } }: Viewer, picture: Picture, inverted: boolean): Uint8Array {
  const sign = (value: number) => (inverted ? 255 - value : value);
  if (picture.pixels) return picture.pixels.map(sign);
  const canvas = canvasOf(width, height);
  const ctx = context(canvas);
  ctx.imageSmoothingQuality = 'high';
  ctx.drawImage(picture.canvas, 0, 0, width, height);
  const { data } = ctx.getImageData(0, 0, width, height);
  return Uint8Array.from({ length: height * width * channels }, (_, i) => {
    const start = 4 * Math.floor(i / channels);
    return sign(channels === 3 ? data[start + (i % 3)] : luma(data, start));
  });
}

/** A picture in shades of grey, so that colours over it are those of a map alone; inverted, if wanted. */
export function greyOf(picture: Picture, inverted: boolean): HTMLCanvasElement {
  const { width, height } = picture.canvas;
  const canvas = canvasOf(width, height);
  const ctx = context(canvas);
  const image = context(picture.canvas).getImageData(0, 0, width, height);
  for (let start = 0; start < image.data.length; start += 4) {
    const grey = luma(image.data, start);
    image.data.fill(inverted ? 255 - grey : grey, start, start + 3);
  }
  ctx.putImageData(image, 0, 0);
  return canvas;
}

/** Rec. 601 */
function luma(data: Uint8ClampedArray, start: number): number {
  return Math.round(0.299 * data[start] + 0.587 * data[start + 1] + 0.114 * data[start + 2]);
}

/** The middle square. */
function cropped(name: string, source: CanvasImageSource, width: number, height: number): Picture {
  const side = Math.min(width, height);
  const canvas = canvasOf(SHOWN, SHOWN);
  const ctx = context(canvas);
  ctx.imageSmoothingQuality = 'high';
  ctx.drawImage(source, (width - side) / 2, (height - side) / 2, side, side, 0, 0, SHOWN, SHOWN);
  return { name, canvas, truth: null, pixels: null };
}

function canvasOf(width: number, height: number): HTMLCanvasElement {
  return Object.assign(document.createElement('canvas'), { width, height });
}

function context(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  return canvas.getContext('2d', { willReadFrequently: true })!;
}

async function get(address: string): Promise<Response> {
  const response = await fetch(address).catch(() => null);
  if (response?.ok) return response;
  throw new Error(
    `${address} cannot be fetched (${response ? response.status : 'no answer'}). The images come from the server of "saccade-bench serve".`,
  );
}
