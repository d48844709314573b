import { CLOTHES, type Task } from './task.ts';

/** Which item an image shows: the images as they are. */
export const clothes: Task = {
  name: 'clothes',
  metric: 'accuracy',
  dense: false,
  stride: 8,
  labels: CLOTHES,
  batch: 32,
  format: (images) => images,
  dataset: (images) => images,
};
