// ELF header: e_ident (EI_CLASS at 4, EI_DATA at 5), e_type at 16, e_machine at 18 (System V ABI).
const ELF_MAGIC = 0x7f454c46
const LITTLE_ENDIAN = 1
const ARM64 = 183 // EM_AARCH64
const MACHINES = new Map([
  [3, 'x86'],
  [40, '32-bit ARM'],
  [62, 'x86-64'],
])
const MACH_O_MAGICS = [0xcffaedfe, 0xcafebabe, 0xfeedfacf]

/** What a compiled file is for; undefined for what is not compiled, or is for Linux on arm64. */
function foreignPlatform(bytes: Uint8Array): string | undefined {
  if (bytes.length < 20) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const magic = view.getUint32(0)
  if (MACH_O_MAGICS.includes(magic)) return 'macOS'
  if (view.getUint16(0) === 0x4d5a) return 'Windows'
  if (magic !== ELF_MAGIC) return undefined
  const machine = view.getUint16(18, bytes[5] === LITTLE_ENDIAN)
  return machine === ARM64 ? undefined : `Linux on ${MACHINES.get(machine) ?? 'another processor'}`
}

/** Compiled modules, which are all that a wheel has of its platform. */
const COMPILED = /\.(?:so(?:\.\d+)*|dylib|pyd|node)$/
const PYTHON_VERSION = /\.cpython-(\d)(\d+)/

/**
 * What of a function's files cannot run on Lambda, for people: modules that were compiled for the
 * developer's machine, or for another version of Python than Lambda's.
 */
export function findForeignCode(
  files: Readonly<Record<string, Uint8Array>>,
  pythonVersion: string,
): { path: string; reason: string }[] {
  return Object.entries(files)
    .filter(([path]) => COMPILED.test(path))
    .flatMap(([path, bytes]) => {
      const platform = foreignPlatform(bytes)
      if (platform !== undefined) return [{ path, reason: `is for ${platform}` }]
      const [, major, minor] = PYTHON_VERSION.exec(path) ?? []
      const version = `${major}.${minor}`
      if (major === undefined || version === pythonVersion) return []
      return [{ path, reason: `is for Python ${version}` }]
    })
}
