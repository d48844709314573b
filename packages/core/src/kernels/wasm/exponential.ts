// What common/exponential.as reads, in its order.
const CONSTANTS = [
  // Where the exponent's bits become 0, and so does the result.
  -88.02969,
  Math.LOG2E,
  // Adding 1.5·2²³ rounds to a whole number and leaves it, with the exponent's bias of 127, in the lowest bits.
  12_583_039,
  // -ln 2 in two parts (Cody and Waite 1980): multiples of the first are exact.
  -0.693359375,
  2.1219444e-4,
  // The polynomial for exp of degree 5 that is 1 at 0 with the least relative error between ±ln 2 / 2, 9.2e-8.
  1,
  0.999999707,
  0.4999914919,
  0.1666763661,
  0.04189797646,
  0.008290305372,
];

/** What programs import to store the constants of their exponential function in a memory, at an address that is a multiple of 4. */
export function exponentialIn(memory: WebAssembly.Memory): (to: number) => void {
  // The memory may grow, and with it gets another buffer.
  return (to) => new Float32Array(memory.buffer, to).set(CONSTANTS);
}
