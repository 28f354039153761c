// Writes docs/reference from the sources: the configuration's docstrings and the command line's
// own help. With --check it writes nothing and fails when a page is not current.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const isCheck = process.argv.includes('--check')
const pages = { 'config.md': configPage(), 'cli.md': await cliPage() }

const stale = Object.entries(pages).filter(([name, text]) => {
  const path = join(root, 'docs/reference', name)
  if (read(path) === text) return false
  if (!isCheck) writeFileSync(path, text)
  return true
})
for (const [name] of stale) {
  console.error(
    `docs/reference/${name}: ${isCheck ? 'not current; run node scripts/generate-docs.mjs' : 'written'}`,
  )
}
process.exit(isCheck && stale.length > 0 ? 1 : 0)

function read(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** One section for each interface, one entry for each field, from their docstrings. */
function configPage() {
  const sources = ['schema.ts', 'edge/edge-schema.ts', 'aws/aws-schema.ts']
    .map(file => `src/config/${file}`)
    .concat('src/dns/record.ts')
  const sections = sources.flatMap(source =>
    parseInterfaces(readFileSync(join(root, source), 'utf8')),
  )
  const body = sections.map(({ name, doc, fields }) => {
    const entries = fields.map(
      field =>
        `### \`${field.name}\`${field.isOptional ? '' : ' (required)'}\n\n\`${field.type}\`\n${field.doc === '' ? '' : `\n${field.doc}\n`}`,
    )
    return [`## ${name}`, ...(doc === '' ? [] : [doc]), entries.join('\n')].join('\n\n')
  })
  return `# moka.config.ts\n\nGenerated from the types by scripts/generate-docs.mjs; do not edit.\n\n${body.join('\n')}`
}

function parseInterfaces(source) {
  const sections = []
  let doc = ''
  let section
  for (let rest = source; rest !== ''; ) {
    const comment = /^\s*\/\*\*([\s\S]*?)\*\/\s*?\n/.exec(rest)
    if (comment !== null) {
      doc = plain(comment[1])
      rest = rest.slice(comment[0].length)
      continue
    }
    const end = rest.indexOf('\n') + 1 || rest.length
    const line = rest.slice(0, end).trim()
    rest = rest.slice(end)
    const opened = /^export interface (\w+) \{/.exec(line)
    const field = /^(\w+)(\?)?: (.+)$/.exec(line)
    if (opened !== null) {
      section = { name: opened[1], doc, fields: [] }
      sections.push(section)
    } else if (line === '}') section = undefined
    else if (field !== null && section !== undefined) {
      section.fields.push({ name: field[1], isOptional: field[2] === '?', type: field[3], doc })
    }
    if (line !== '') doc = ''
  }
  return sections
}

/** A docstring without its asterisks; a blank line stays a paragraph, a list stays a list. */
function plain(comment) {
  return comment
    .split('\n')
    .map(line => line.replace(/^\s*\* ?/, '').trimEnd())
    .join('\n')
    .trim()
}

/** What runs a command is loaded when it runs, which is never here. */
function leaveCommands(build) {
  build.onResolve({ filter: /^\.\/commands\// }, ({ path, kind }) =>
    kind === 'dynamic-import' ? { path, external: true } : undefined,
  )
}

async function cliPage() {
  // Beside the packages it imports, at the depth from which it finds package.json.
  const compiled = join(root, 'node_modules/.mokapot/program.mjs')
  mkdirSync(dirname(compiled), { recursive: true })
  await build({
    entryPoints: [join(root, 'src/cli/program.ts')],
    outfile: compiled,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    plugins: [{ name: 'commands stay where they are', setup: leaveCommands }],
  })
  const { createProgram } = await import(pathToFileURL(compiled).href)
  const program = createProgram()
  const help = command => {
    command.configureHelp({ helpWidth: 92 })
    return command.helpInformation().trimEnd()
  }
  const sectionsOf = (command, name) => [
    `## moka ${name}\n\n\`\`\`\n${help(command)}\n\`\`\`\n`,
    ...command.commands.flatMap(inner => sectionsOf(inner, `${name} ${inner.name()}`)),
  ]
  const sections = program.commands.flatMap(command => sectionsOf(command, command.name()))
  return `# moka\n\nGenerated from the command line's own help by scripts/generate-docs.mjs; do not edit.\n\n\`\`\`\n${help(program)}\n\`\`\`\n\nExit codes: 0 done, 1 failed, 2 wrong usage. Results go to stdout, progress to stderr.\n\n${sections.join('\n')}`
}
