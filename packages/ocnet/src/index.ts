import { serialization } from '@tensorflow/tfjs-core';
import { ASPObjectContext } from './asp-object-context.js';
import { BaseObjectContext } from './base-object-context.js';
import { PyramidObjectContext } from './pyramid-object-context.js';

serialization.registerClass(BaseObjectContext);
serialization.registerClass(PyramidObjectContext);
serialization.registerClass(ASPObjectContext);

export { ASPObjectContext, aspObjectContext, type ASPObjectContextOptions } from './asp-object-context.js';
export { BaseObjectContext, baseObjectContext, type BaseObjectContextOptions } from './base-object-context.js';
export { PyramidObjectContext, pyramidObjectContext, type PyramidObjectContextOptions } from './pyramid-object-context.js';
