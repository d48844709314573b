import { useBackend } from '@saccade/backends';
import { beforeAll } from 'vitest';
import { DEFAULT_BACKEND } from './backends.ts';

// Before each test file.
beforeAll(async () => {
  await useBackend(DEFAULT_BACKEND);
});
