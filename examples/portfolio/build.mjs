// Builds site/ into dist/. In HTML, `<!-- part: header -->` becomes parts/header.html and
// `{{name}}` what site.json says. Images, css and js get names that change with their content.
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'

const here = path => join(import.meta.dirname, path)
const read = path => fs.readFileSync(here(path), 'utf8')
const safe = value => String(value).replace(/[&<>"]/g, c => `&#${c.charCodeAt(0)};`)
const fields = JSON.parse(read('site.json'))
const assets = new Map() // '/css/main.css' → '/css/main.3f2a9c1d0b.css'
const output = new Map() // path in dist → content

// In this order, because each kind may refer to those before it.
for (const kind of ['images', 'css', 'js']) {
  for (const path of list().filter(path => path.startsWith(`/${kind}/`))) {
    const content = kind === 'images' ? fs.readFileSync(here(`site${path}`)) : text(path)
    const hash = createHash('sha256').update(content).digest('hex').slice(0, 10)
    assets.set(path, path.replace(/(\.\w+)$/, `.${hash}$1`))
    output.set(assets.get(path), content)
  }
}
for (const path of list().filter(path => !assets.has(path))) {
  output.set(path, path.endsWith('.html') ? page(path) : fs.readFileSync(here(`site${path}`)))
}
replace(here('dist'), output)
console.log(`${output.size} files in dist`)

function list() {
  const entries = fs.readdirSync(here('site'), { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile() && entry.name !== '.DS_Store')
  return files.map(file => `${file.parentPath}/${file.name}`.slice(here('site').length)).sort()
}

function page(path) {
  const html = read(`site${path}`)
  const title = /<title>(.*?)<\/title>/s.exec(html)?.[1]
  const description = /<meta name="description" content="(.*?)"/s.exec(html)?.[1]
  const url = path.replace(/index\.html$/, '')
  const whole = html
    .replace(/<!-- part: (\w+) -->/g, (_, name) => read(`parts/${name}.html`).trim())
    .replaceAll('{{title}}', () => title ?? fail(path, 'has no title'))
    .replaceAll('{{description}}', () => description ?? fail(path, 'has no description'))
    .replaceAll('{{path}}', url)
    .replaceAll(`<a href="${url}"`, `<a aria-current="page" href="${url}"`)
  return text(path, whole).replace(/\{\{(\w+)\}\}/g, (all, key) => {
    return key in fields ? safe(fields[key]) : fail(path, `has ${all}, but site.json has not`)
  })
}

/** A text file with the hashed names of what it refers to. */
function text(path, source = read(`site${path}`)) {
  return source.replace(/(?<=["'(=\s]|\}\})\/(images|css|js)\/[\w./-]+\.\w+/g, asset => {
    return assets.get(asset) ?? fail(path, `refers to ${asset}, which does not exist`)
  })
}

/** Writes everything beside the folder, then swaps the two: the folder is never half written. */
function replace(folder, files) {
  const fresh = `${folder}.tmp/${process.pid}`
  fs.rmSync(fresh, { recursive: true, force: true })
  for (const [path, content] of files) {
    fs.mkdirSync(dirname(join(fresh, 'new', path)), { recursive: true })
    fs.writeFileSync(join(fresh, 'new', path), content)
  }
  for (let tries = 9; fs.existsSync(join(fresh, 'new')); tries--) {
    try {
      if (fs.existsSync(folder)) fs.renameSync(folder, join(fresh, `old-${tries}`))
      fs.renameSync(join(fresh, 'new'), folder)
    } catch (error) {
      if (tries === 0) throw error // Otherwise a build beside this one was quicker: once more.
    }
  }
  fs.rmSync(fresh, { recursive: true })
}

function fail(path, message) {
  console.error(`cannot build the site: site${path} ${message}`)
  process.exit(1)
}
