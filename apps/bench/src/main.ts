#!/usr/bin/env node
import { launch } from './cli/launch.ts';
import { workspace } from './node/workspace.ts';

await launch(workspace(import.meta.filename));
