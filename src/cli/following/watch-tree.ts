import { type FSWatcher, watch } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { systemErrorCode } from '../../shared/errors.ts'

export interface TreeWatch {
  /** Resolves when every folder that is there is watched: from then on no change is missed. */
  ready: Promise<void>
  close(): void
}

interface Folder {
  watcher: FSWatcher
  /** Tells a folder from another one that took its place. */
  inode: number
}

/**
 * Calls back with the path whenever something changes in a folder or below it, as often as the system says so.
 * Folders are watched and not files, so that thousands of files cost nothing. Paths that
 * `isIgnored` are neither watched nor told of; symbolic links are not followed.
 */
export function watchTree(
  root: string,
  isIgnored: (path: string) => boolean,
  onChange: (path: string) => void,
  onError: (error: Error) => void,
): TreeWatch {
  const folders = new Map<string, Folder>()
  let isClosed = false

  const forget = (path: string) => {
    for (const [folder, { watcher }] of folders) {
      if (folder !== path && !folder.startsWith(path + sep)) continue
      watcher.close()
      folders.delete(folder)
    }
  }

  /** Brings what is watched at and below a path in line with what is there. */
  const follow = async (path: string): Promise<void> => {
    try {
      const info = await lstat(path)
      if (folders.get(path)?.inode === info.ino || isClosed) return
      forget(path)
      if (!info.isDirectory()) return
      const watcher = watch(path, (_event, name) => {
        if (name === null) return onChange(path)
        const changed = join(path, name)
        // Only looking tells whether it is a folder that has come, gone or been replaced.
        if (!isIgnored(changed)) void follow(changed).then(() => onChange(changed))
      })
      watcher.on('error', () => forget(path)) // it has gone
      folders.set(path, { watcher, inode: info.ino })
      const below = await readdir(path, { withFileTypes: true })
      const paths = below.filter(entry => entry.isDirectory()).map(({ name }) => join(path, name))
      await Promise.all(paths.filter(each => !isIgnored(each)).map(follow))
    } catch (error) {
      forget(path)
      const isGone = ['ENOENT', 'ENOTDIR', 'EACCES'].includes(systemErrorCode(error) ?? '')
      if (!isGone) onError(error as Error)
    }
  }

  return {
    ready: follow(root),
    close() {
      isClosed = true
      forget(root)
    },
  }
}
