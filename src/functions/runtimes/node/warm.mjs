// Imported before a function is known, so that its own module meets a loader that has run.
import { createRequire } from 'node:module'

export const require = createRequire(import.meta.url)
