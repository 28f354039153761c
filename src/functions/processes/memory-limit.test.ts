import { expect, it } from 'vitest'
import { findCgroup } from './memory-limit.ts'

const V1_MOUNT = '35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory'
const V2_MOUNT = '31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate'

it.each([
  ['4:memory:/a/b\n0::/', V1_MOUNT, { folder: '/sys/fs/cgroup/memory/a/b', version: 1 }],
  [
    '0::/user.slice/x.service\n',
    V2_MOUNT,
    { folder: '/sys/fs/cgroup/user.slice/x.service', version: 2 },
  ],
  ['0::/', V2_MOUNT, { folder: '/sys/fs/cgroup', version: 2 }],
  // In a container the mount shows only the part below its root.
  [
    '4:memory:/docker/abc',
    V1_MOUNT.replace(' / ', ' /docker/abc '),
    { folder: '/sys/fs/cgroup/memory', version: 1 },
  ],
  ['4:memory:/a', '', undefined],
  ['', V2_MOUNT, undefined],
])('finds our memory group from %j', (cgroups, mounts, found) => {
  expect(findCgroup(cgroups, mounts)).toEqual(found)
})
