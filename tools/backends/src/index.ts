export type { BackendInUse } from './names.ts';
export { isNodeBackendName, NODE_BACKENDS, type NodeBackendName, useBackend } from './node.ts';
export { requestWebGpu, type WebGpuAdapter } from './webgpu.ts';
