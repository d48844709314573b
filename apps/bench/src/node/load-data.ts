import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { readCifar10 } from '../data/cifar10.ts';
import { readIdx, type NamedBytes } from '../data/idx.ts';
import { DataError, type Dataset, type ImageSet } from '../data/images.ts';

/** Where Debian's package dataset-fashion-mnist puts its files. */
const DEBIAN_DIR = '/usr/share/datasets/fashion-mnist';
const IDX_TRAIN = ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte'] as const;
const IDX_TEST = ['t10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte'] as const;
const CIFAR_TRAIN = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`);
const CIFAR_TEST = 'test_batch.bin';

// Fashion-MNIST's official files, uncompressed: whoever compressed them, the content is this.
const OFFICIAL: Record<string, { size: number; sha256: string }> = {
  'train-images-idx3-ubyte': { size: 47040016, sha256: 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888' },
  'train-labels-idx1-ubyte': { size: 60008, sha256: 'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9' },
  't10k-images-idx3-ubyte': { size: 7840016, sha256: '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b' },
  't10k-labels-idx1-ubyte': { size: 10008, sha256: '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34' },
};

/**
 * The folder that a value of `--data` stands for.
 *
 * @param data a folder, `debian` for the full Fashion-MNIST of Debian's package, or `subset` for the images in this repository
 * @throws {@link DataError} where Debian's package is asked for and absent
 */
export function dataDirOf(data: string, subsetDir: string): string {
  if (data === 'subset') return subsetDir;
  if (data !== 'debian') return data;
  if (existsSync(DEBIAN_DIR)) return DEBIAN_DIR;
  throw new DataError(
    `--data debian: ${DEBIAN_DIR} does not exist. Run "apt install dataset-fashion-mnist", or give the folder that holds Fashion-MNIST's files.`,
  );
}

/**
 * Reads Fashion-MNIST (IDX files, plain or `.gz`) or CIFAR-10 (binary batches) from a folder.
 *
 * @throws {@link DataError} where files are missing, cut, malformed or, for the official ones, altered
 */
export function loadData(dir: string): Dataset {
  if (!existsSync(dir)) throw new DataError(`The data folder ${dir} does not exist. ${EXPECTED_FILES}`);
  const files = readdirSync(dir);
  if (files.includes(CIFAR_TEST)) {
    const [train, test] = [CIFAR_TRAIN, [CIFAR_TEST]].map((names) => readCifar10(names.map((name) => read(dir, files, name))));
    return dataset('CIFAR-10', train, test);
  }
  if (files.some((file) => file.startsWith(IDX_TEST[0]))) {
    const [train, test] = [IDX_TRAIN, IDX_TEST].map((names) => readIdx(read(dir, files, names[0]), read(dir, files, names[1])));
    return dataset('Fashion-MNIST', train, test);
  }
  throw new DataError(`The data folder ${dir} holds ${files.slice(0, 5).join(', ') || 'nothing'}. ${EXPECTED_FILES}`);
}

const EXPECTED_FILES =
  `Give a folder with Fashion-MNIST's ${[...IDX_TRAIN, ...IDX_TEST].join(', ')} (each plain or .gz), ` +
  `or with CIFAR-10's ${CIFAR_TRAIN[0]} to ${CIFAR_TRAIN.at(-1)} and ${CIFAR_TEST}.`;

function dataset(family: string, train: ImageSet, test: ImageSet): Dataset {
  const shapes = [train, test].map(({ height, width, channels }) => `${height}×${width}×${channels}`);
  if (shapes[0] !== shapes[1])
    throw new DataError(`${family}: training images are ${shapes[0]}, test images ${shapes[1]}. Use the files of one data set.`);
  if (train.count === 0 || test.count === 0)
    throw new DataError(`${family}: ${train.count} training and ${test.count} test images. At least one of each is needed.`);
  const classes = 1 + [train, test].reduce((most, { labels }) => labels.reduce((a, b) => Math.max(a, b), most), 0);
  return { name: `${family}, ${train.count} training and ${test.count} test images`, train, test, classes };
}

function read(dir: string, files: readonly string[], name: string): NamedBytes {
  const found = [name, `${name}.gz`].find((candidate) => files.includes(candidate));
  if (!found) throw new DataError(`${join(dir, name)} is missing. ${EXPECTED_FILES}`);
  const path = join(dir, found);
  const raw = readFileSync(path);
  const bytes = found.endsWith('.gz') ? unzip(path, raw) : raw;
  const official = OFFICIAL[name];
  if (official?.size === bytes.length) {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    if (sha256 !== official.sha256) {
      throw new DataError(
        `${path} has the name and the size of Fashion-MNIST's official file, but its content has the SHA-256 ${sha256} instead of ${official.sha256}: it is damaged, or of another data set. ` +
          'Fetch it again from https://github.com/zalandoresearch/fashion-mnist.',
      );
    }
  }
  return { name: path, bytes };
}

function unzip(path: string, raw: Uint8Array): Uint8Array {
  try {
    return gunzipSync(raw);
  } catch (error) {
    throw new DataError(
      `${path}, of ${raw.length} bytes, cannot be unzipped (${(error as Error).message}): it is cut or damaged. Fetch the file again.`,
    );
  }
}
