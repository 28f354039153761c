/**
 * Builds site/ into dist/. HTML: `<!-- part: header -->` becomes parts/header.html and
 * `{{name}}` the name in site.json. Files in images/, css/ and js/ get a name that changes
 * with their content, so that browsers may keep them for ever.
 */
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'

const here = path => join(import.meta.dirname, path)
const read = path => fs.readFileSync(here(path), 'utf8')

const fields = JSON.parse(read('site.json'))
for (const key in fields) fields[key] = fields[key].replace(/[&<>"]/g, c => `&#${c.charCodeAt()};`)

const assets = new Map() // '/css/main.css' → '/css/main.3f2a9c1d0b.css'
const output = new Map() // path in dist → content

// In this order, because each kind may refer to those before it.
for (const kind of ['images', 'css', 'js']) {
  for (const path of list(`site/${kind}`)) {
    const source = fs.readFileSync(here(`site${path}`))
    const content = kind === 'images' ? source : withAssets(path, source.toString())
    const hash = createHash('sha256').update(content).digest('hex').slice(0, 10)
    assets.set(path, path.replace(/(\.\w+)$/, `.${hash}$1`))
    output.set(assets.get(path), content)
  }
}
for (const path of list('site')) {
  if (assets.has(path)) continue
  output.set(path, path.endsWith('.html') ? page(path) : fs.readFileSync(here(`site${path}`)))
}
write('dist', output)
console.log(`${output.size} files in dist`)

/** The files under a folder of site/, as paths of the site: '/css/main.css'. */
function list(folder) {
  const entries = fs.readdirSync(here(folder), { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile() && entry.name !== '.DS_Store')
  const paths = files.map(file => join(file.parentPath, file.name).slice(here('site').length))
  return paths.map(path => path.replaceAll('\\', '/')).sort()
}

function page(path) {
  const url = path.replace(/index\.html$/, '')
  const source = read(`site${path}`)
  const title = /<title>(.*?)<\/title>/s.exec(source)?.[1]
  const description = /<meta name="description" content="(.*?)"/s.exec(source)?.[1]
  const html = source
    .replace(/<!-- part: (\w+) -->/g, (_, name) => read(`parts/${name}.html`).trim())
    .replaceAll('{{title}}', () => title ?? fail(`site${path} has no title`))
    .replaceAll('{{description}}', () => description ?? fail(`site${path} has no description`))
    .replaceAll('{{path}}', url)
    .replaceAll(`<a href="${url}"`, `<a aria-current="page" href="${url}"`)
    .replace(/\{\{(\w+)\}\}/g, (all, key) => fields[key] ?? fail(`site${path}: what is ${all}?`))
  return withAssets(path, html)
}

function withAssets(path, text) {
  return text.replace(/\/(images|css|js)\/[\w./-]+\.\w+/g, asset => {
    return assets.get(asset) ?? fail(`site${path} refers to ${asset}, which does not exist`)
  })
}

/** Writes all of it beside the folder, then swaps the two: the folder is never half written. */
function write(folder, files) {
  const fresh = here(`${folder}.tmp/${process.pid}`)
  const old = `${fresh}.old`
  for (const path of [fresh, old]) fs.rmSync(path, { recursive: true, force: true })
  for (const [path, content] of files) {
    fs.mkdirSync(dirname(join(fresh, path)), { recursive: true })
    fs.writeFileSync(join(fresh, path), content)
  }
  if (fs.existsSync(here(folder))) fs.renameSync(here(folder), old)
  fs.renameSync(fresh, here(folder))
  fs.rmSync(old, { recursive: true, force: true })
}

function fail(message) {
  console.error(`cannot build the site: ${message}`)
  process.exit(1)
}
