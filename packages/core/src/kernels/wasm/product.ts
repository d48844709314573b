import { PRODUCT } from './product-binary.js';
import { programOf } from './program.js';

/** product.as, whose functions only other programs call. */
export const product = programOf<object>(PRODUCT);
