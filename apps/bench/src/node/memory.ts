import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { MemoryGauge } from '../engine/memory.ts';

const STATUS = '/proc/self/status';

/** Reads the growth of this process's resident set, on Linux. Measure in a fresh process: memory once touched is not always given back. */
export function residentGauge(): MemoryGauge {
  let before: number | null = null;
  return {
    start: () => {
      if (!existsSync(STATUS)) return;
      collectGarbage();
      // Resets the high-water mark to what is resident now (proc(5)).
      writeFileSync('/proc/self/clear_refs', '5');
      before = readStatus('VmRSS');
    },
    peakBytes: () => (before === null ? null : Math.max(0, readStatus('VmHWM') - before)),
  };
}

function readStatus(field: 'VmRSS' | 'VmHWM'): number {
  const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(STATUS, 'utf8'));
  return Number(kilobytes?.[1]) * 1024;
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}
