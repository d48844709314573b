export const BACKENDS = ['cpu', 'wasm', 'webgl', 'webgpu'] as const;
export type BackendName = (typeof BACKENDS)[number];

export interface BackendInUse {
  readonly name: BackendName;
  /** The CPU's or GPU's model. */
  readonly device: string;
  /** True where a CPU plays the GPU (SwiftShader): right numbers, meaningless timings. */
  readonly software: boolean;
  /** Threads of the wasm backend; 1 on all others. */
  readonly threads: number;
}

/** Whether a name or a description of a GPU is that of a renderer on the CPU. */
export function isSoftware(gpu: string): boolean {
  return /swiftshader|llvmpipe|lavapipe|softpipe|software|basic render/i.test(gpu);
}

/** A name for the GPU behind a WebGPU adapter. */
export function gpuName({ device, vendor, architecture, description }: GPUAdapterInfo): string {
  // Where the driver names no device, `device` is its PCI id.
  const model = device && !device.startsWith('0x') ? device : '';
  return model || [vendor, architecture].filter(Boolean).join(' ') || description || 'unknown GPU';
}
