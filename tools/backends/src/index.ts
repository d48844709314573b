export { BACKENDS, type BackendName, isBackendName, useBackend, type BackendInUse } from './use-backend.ts';
export { requestWebGpu, type WebGpuAdapter } from './webgpu.ts';
