// First, so that the backend's kernels are registered by now, wherever else it is imported.
import '@tensorflow/tfjs-backend-wasm';
import { registerDilatedGradients } from './dilated.js';
import { register } from './register.js';

register();
// The gradients come with tfjs or tfjs-layers, which a program may import after this package.
queueMicrotask(registerDilatedGradients);
