const bits = new DataView(new ArrayBuffer(4));

/** The bits of a number as a 16-bit float, rounded to the nearest one, ties to the even: ±∞ from 65,520 on, NaN for NaN. */
export function toHalf(value: number): number {
  bits.setFloat32(0, value);
  const float = bits.getUint32(0);
  const sign = (float >>> 16) & 0x8000;
  const magnitude = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (magnitude >= 65_520) return sign | 0x7c00;
  // Below 2^-14 halves are whole multiples of 2^-24; above, they keep 10 of a float's 23 bits.
  if (magnitude < 2 ** -14) return sign | roundToEven(magnitude * 2 ** 24);
  const kept = (float & 0x7fffffff) - (112 << 23);
  return sign | roundToEven(kept / 2 ** 13);
}

function roundToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}
