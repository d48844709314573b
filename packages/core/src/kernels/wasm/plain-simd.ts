// Programs as the core specification of WebAssembly lays them out (chapter 5): sections with an id and a length, numbers in LEB128.

const HEADER_BYTES = 8;
const SECTION = { types: 1, functions: 3, code: 10 };
const V128 = 0x7b;
const RELAXED_MADD = [0xfd, 0x85, 0x02];
const MUL = [0xfd, 0xe6, 0x01];
const ADD = [0xfd, 0xe4, 0x01];
const [LOCAL_GET, LOCAL_SET] = [0x20, 0x21];

/**
 * A program with each f32x4.relaxed_madd as a multiplication and an addition, for engines that have SIMD, but not relaxed SIMD. It must have no
 * other relaxed instruction, and the bytes of that one nowhere else.
 */
export function inPlainSimd(program: Uint8Array): Uint8Array<ArrayBuffer> {
  const input = reader(program.subarray(HEADER_BYTES));
  const output = [...program.subarray(0, HEADER_BYTES)];
  let parameters: number[] = [];
  let types: number[] = [];
  while (!input.ended()) {
    const id = input.number();
    const content = input.bytes(input.number());
    if (id === SECTION.types) parameters = parameterCounts(content);
    if (id === SECTION.functions) types = numbers(content);
    const bodies = types.map((type) => parameters[type]);
    output.push(id, ...sized(id === SECTION.code ? plainBodies(content, bodies) : [...content]));
  }
  return Uint8Array.from(output);
}

function parameterCounts(section: Uint8Array): number[] {
  const input = reader(section);
  return Array.from({ length: input.number() }, () => {
    input.bytes(1); // that it is a function
    const count = input.number();
    input.bytes(count);
    input.bytes(input.number()); // its results
    return count;
  });
}

function numbers(section: Uint8Array): number[] {
  const input = reader(section);
  return Array.from({ length: input.number() }, () => input.number());
}

/** @param parameters how many each function has; its other locals follow */
function plainBodies(section: Uint8Array, parameters: number[]): number[] {
  const input = reader(section);
  const count = input.number();
  return [...encoded(count), ...parameters.flatMap((own) => sized(plainBody(input.bytes(input.number()), own)))];
}

function plainBody(body: Uint8Array, parameters: number): number[] {
  const input = reader(body);
  const groups = Array.from({ length: input.number() }, () => [input.number(), input.number()]);
  // What is to be added waits in one more local.
  const local = encoded(groups.reduce((sum, [count]) => sum + count, parameters));
  const locals = [...groups, [1, V128]].flatMap(([count, type]) => encoded(count).concat(type));
  const madd = [LOCAL_SET, ...local, ...MUL, LOCAL_GET, ...local, ...ADD];
  const code = [...input.rest()];
  for (let i = code.length - RELAXED_MADD.length; i >= 0; i--) {
    if (RELAXED_MADD.every((byte, j) => code[i + j] === byte)) code.splice(i, RELAXED_MADD.length, ...madd);
  }
  return [...encoded(groups.length + 1), ...locals, ...code];
}

interface Reader {
  readonly number: () => number;
  readonly bytes: (count: number) => Uint8Array;
  readonly rest: () => Uint8Array;
  readonly ended: () => boolean;
}

function reader(from: Uint8Array): Reader {
  let at = 0;
  const bytes = (count: number) => from.subarray(at, (at += count));
  const number = (): number => {
    const byte = from[at++];
    return byte < 0x80 ? byte : (byte & 0x7f) + 0x80 * number();
  };
  return { number, bytes, rest: () => bytes(from.length - at), ended: () => at >= from.length };
}

function encoded(number: number): number[] {
  return number < 0x80 ? [number] : [(number & 0x7f) | 0x80, ...encoded(number >>> 7)];
}

function sized(content: number[]): number[] {
  return [...encoded(content.length), ...content];
}
