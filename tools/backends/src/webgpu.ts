import { existsSync } from 'node:fs';
import * as os from 'node:os';
import { create, globals } from 'webgpu';
import { QUICK_WORKGROUP_MEMORY } from './chromium.ts';
import { gpuName, isSoftware } from './names.ts';

/** The WebGPU adapter that Dawn offers in this process. */
export interface WebGpuAdapter {
  /** The GPU's name as its driver gives it, e.g. `nvidia-geforce-rtx-4070` or `swiftshader-device`. */
  readonly device: string;
  /** True where a CPU plays the GPU: right numbers, meaningless timings. */
  readonly software: boolean;
}

// SwiftShader comes with Chromium; its manifest lies beside the browser's binary.
const SWIFTSHADER_MANIFESTS = [
  '/usr/lib/chromium/vk_swiftshader_icd.json',
  '/usr/lib/chromium-browser/vk_swiftshader_icd.json',
  '/opt/google/chrome/vk_swiftshader_icd.json',
  '/usr/lib64/chromium-browser/vk_swiftshader_icd.json',
];

/**
 * Installs `navigator.gpu` (Dawn) in this process.
 *
 * @param allowSoftware whether SwiftShader may stand in where there is no GPU.
 * @returns the adapter, or null where there is none.
 */
export async function requestWebGpu(allowSoftware: boolean): Promise<WebGpuAdapter | null> {
  Object.assign(globalThis, globals);
  // Vulkan drivers complain on stderr where it is not set, and do not need it without a window.
  process.env['XDG_RUNTIME_DIR'] ??= os.tmpdir();
  const found = await install();
  if (found && !found.software) return found;
  if (!allowSoftware) return null;
  if (!found) {
    const manifest = SWIFTSHADER_MANIFESTS.find((path) => existsSync(path));
    if (!manifest) return null;
    process.env['VK_DRIVER_FILES'] = manifest;
    process.env['VK_ICD_FILENAMES'] = manifest;
  }
  // A process that another one started finds SwiftShader at once, by the environment that it got.
  return install([QUICK_WORKGROUP_MEMORY]);
}

async function install(options: string[] = []): Promise<WebGpuAdapter | null> {
  const gpu = create(options);
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null);
  if (!adapter) return null;
  // Node has a navigator of its own, without gpu.
  Object.defineProperty(globalThis.navigator, 'gpu', { value: gpu, configurable: true });
  const device = gpuName(adapter.info);
  return { device, software: isSoftware(`${device} ${adapter.info.description}`) };
}
