import { clothes } from './clothes.ts';
import type { TaskName } from './names.ts';
import { pathfinder } from './pathfinder.ts';
import { scenes } from './scenes.ts';
import type { Task } from './task.ts';
import { where } from './where.ts';

export { formatOf, type ImageFormat, type Metric, type Task } from './task.ts';

/** Everything that networks can be trained on, by name. */
export const tasks: Readonly<Record<TaskName, Task>> = { clothes, scenes, pathfinder, where };
