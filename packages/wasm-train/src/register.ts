import { getKernel, registerKernel, unregisterKernel, type KernelFunc } from '@tensorflow/tfjs-core';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { registerDilatedGradients } from './dilated.js';
import { FASTER, MISSING, type Kernel } from './kernels.js';
import { isOurs, ours } from './ours.js';

const backendName = 'wasm';

/**
 * Registers kernels and gradients. The WASM backend's own kernels must be registered by now. A second call changes nothing.
 *
 * A kernel that the backend lacks is registered unless it has come to have one. One that this package does faster is replaced.
 */
export function register(): void {
  for (const [kernelName, kernel] of Object.entries(MISSING)) {
    if (getKernel(kernelName, backendName)) continue;
    // Gradients that are registered after this package was imported are taught dilation when the backend is set.
    registerKernel({ kernelName, backendName, kernelFunc: kernelFuncOf(kernel), setupFunc: registerDilatedGradients });
  }
  for (const [kernelName, faster] of Object.entries(FASTER)) {
    const original = getKernel(kernelName, backendName);
    if (isOurs(original.kernelFunc)) continue;
    // Registering over a kernel would warn.
    unregisterKernel(kernelName, backendName);
    registerKernel({ ...original, kernelFunc: kernelFuncOf(faster(original.kernelFunc)) });
  }
  registerDilatedGradients();
}

function kernelFuncOf(kernel: Kernel): KernelFunc {
  return ours(({ backend, inputs, attrs }: Parameters<KernelFunc>[0]) =>
    kernel(backend as BackendWasm, inputs as Parameters<Kernel>[1], attrs ?? {}),
  );
}
