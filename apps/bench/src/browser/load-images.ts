import { DataError, type Dataset, type ImageSet } from '../data/images.ts';

/** What a server tells of its images before it sends them. */
type Index = Pick<Dataset, 'name' | 'classes'> & Record<'train' | 'test', Pick<ImageSet, 'count' | 'height' | 'width' | 'channels'>>;

/**
 * Fetches the images that the server has at an address.
 *
 * @throws {@link DataError} where there are none
 */
export async function loadImages(address: string): Promise<Dataset> {
  const index = (await (await get(`${address}/images.json`)).json()) as Index;
  const bytes = async (file: string) => new Uint8Array(await (await get(`${address}/${file}.bin`)).arrayBuffer());
  const part = async (name: 'train' | 'test'): Promise<ImageSet> => {
    const [pixels, labels] = await Promise.all([bytes(`${name}-pixels`), bytes(`${name}-labels`)]);
    return { ...index[name], pixels, labels };
  };
  return { name: index.name, classes: index.classes, train: await part('train'), test: await part('test') };
}

async function get(address: string): Promise<Response> {
  const response = await fetch(address).catch(() => null);
  if (response?.ok) return response;
  throw new DataError(
    `${address} cannot be fetched (${response ? response.status : 'no answer'}). Accuracy needs the server of "saccade-bench serve", which brings the images.`,
  );
}
