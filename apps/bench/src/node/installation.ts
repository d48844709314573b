import type { Host } from '../compare/perform.ts';
import type { BenchPackage } from '../compare/packages.ts';

/** What differs between the benchmark in its repository and the one that `pack` made. */
export interface Installation {
  /** The file that is run, and run again for each measurement's own process. */
  readonly program: string;
  readonly packages: readonly BenchPackage[];
  /** The folder of the images that the default run uses. */
  readonly subsetDir: string;
  /** The folder of the built page. */
  readonly pageDir: string;
  /** The folder of trained networks that the page looks through. */
  readonly networksDir: string;
  /** Where results are written that no file was named for. */
  readonly resultsDir: string;
  /** The folder of the wasm backend's binaries, where they do not lie beside its code. */
  readonly wasmDir: string | null;
  /** Versions of what is measured and of what it runs on. */
  readonly versions: () => Record<string, string>;
  /** The commit that is measured, with `+` where files were changed since; null where it is unknown. */
  readonly commit: () => string | null;
  /** Starts a library that blocks are compared with; null where none came along. */
  readonly startPeer: NonNullable<Host['startPeer']> | null;
  /** Makes a folder that runs elsewhere; null where this is one. */
  readonly pack: ((out: string) => Promise<void>) | null;
}
