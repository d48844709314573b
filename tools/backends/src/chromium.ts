import { existsSync } from 'node:fs';
import * as path from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'microsoft-edge'];
/** Where browsers are that are not on the path. */
const PLACES = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
  'C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe',
];

/** The path of an installed Chromium, Chrome or Edge: `CHROME_PATH`, or the first that is found. Null where there is none. */
export function findChromium(): string | null {
  const named = process.env['CHROME_PATH'];
  if (named) return named;
  const folders = (process.env['PATH'] ?? '').split(path.delimiter);
  const candidates = NAMES.flatMap((name) => folders.map((folder) => path.join(folder, name)));
  return [...candidates, ...PLACES].find((candidate) => existsSync(candidate)) ?? null;
}

/** Flags that keep a headless Chromium from doing anything but its work. */
const QUIET = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run', '--disable-quic'];

/** Keeps SwiftShader from compiling a store for each value of a shader's workgroup memory, which takes most of the time that its tests take. */
export const QUICK_WORKGROUP_MEMORY = 'disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension';

/** Flags that give headless Chromium WebGL 2 and WebGPU without a GPU. */
export function softwareGpuFlags(): string[] {
  return [
    '--use-angle=swiftshader',
    '--enable-unsafe-swiftshader',
    '--enable-unsafe-webgpu',
    '--use-webgpu-adapter=swiftshader',
    '--enable-features=Vulkan',
    `--${QUICK_WORKGROUP_MEMORY}`,
    ...commonFlags(),
  ];
}

/** Flags that give headless Chromium WebGL 2 and WebGPU on the machine's GPU. */
export function hardwareGpuFlags(): string[] {
  // On Linux a headless browser takes Vulkan, which WebGPU needs, only when told to, and has no surface for it.
  const linux = process.platform === 'linux' ? ['--enable-features=Vulkan', '--disable-vulkan-surface'] : [];
  return [...linux, '--enable-unsafe-webgpu', '--ignore-gpu-blocklist', ...commonFlags()];
}

function commonFlags(): string[] {
  // Chromium's sandbox does not start for root, who has a machine of its own, such as a container.
  return process.getuid?.() === 0 ? ['--no-sandbox', ...QUIET] : QUIET;
}
