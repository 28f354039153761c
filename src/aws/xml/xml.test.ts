import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatXml, parseXml, type XmlElement } from './element.ts'
import { boolean, integer, items, oneOf, optional, structure, text, withDefault } from './shape.ts'

const parse = (document: string) => parseXml(Buffer.from(document))

const characters = fc.string({ unit: 'binary' }).map(value =>
  // What XML cannot hold is replaced when it is written.
  value.replace(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udfff]/gu, '').replace(/\r/g, ''),
)
const { element } = fc.letrec<{ element: XmlElement }>(tie => ({
  element: fc.oneof(
    { depthSize: 'small' },
    fc.record({
      name: fc.stringMatching(/^[A-Za-z][A-Za-z0-9]{0,8}$/),
      text: characters,
      children: fc.constant([]),
    }),
    fc.record({
      name: fc.stringMatching(/^[A-Za-z][A-Za-z0-9]{0,8}$/),
      text: fc.constant(''),
      children: fc.array(tie('element'), { maxLength: 4 }),
    }),
  ),
}))

test('what is written is read again', () => {
  fc.assert(
    fc.property(element, root => {
      expect(parse(formatXml(root, 'http://cloudfront.amazonaws.com/doc/2020-05-31/'))).toEqual(
        root,
      )
    }),
  )
})

test('reads layout, references, sections of text and a namespace as AWS clients send them', () => {
  const root = parse(
    '<?xml version="1.0"?>\n<a xmlns="urn:x">\n <b>1 &lt; &#x32; &amp;amp;</b>\n <c><![CDATA[<&>]]></c>\n <d/>\n</a>\n',
  )
  expect(root.children.map(({ name, text: value }) => [name, value])).toEqual([
    ['b', '1 < 2 &amp;'],
    ['c', '<&>'],
    ['d', ''],
  ])
})

test.each([
  ['an entity of its own', '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', /document type/],
  ['a file', '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', /document type/],
  ['an entity that is not defined', '<a>&x;</a>', /no reference/],
  ['half a reference', '<a>1 & 2</a>', /./],
  ['a control character by number', '<a>&#0;</a>', /no reference/],
  ['an element that does not end', '<a><b></a>', /./],
  ['nothing', '', /./],
  ['two roots', '<a/><b/>', /./],
  ['depth', '<a>'.repeat(40) + '</a>'.repeat(40), /deeper/],
])('refuses %s', (_what, document, message) => {
  expect(() => parse(document)).toThrow(message)
})

test('refuses what is not UTF-8', () => {
  expect(() => parseXml(Buffer.from([0x3c, 0x61, 0x3e, 0xff, 0x3c, 0x2f, 0x61, 0x3e]))).toThrow(
    /UTF-8/,
  )
})

describe('a shape', () => {
  const shape = structure({
    Name: text,
    Count: withDefault(integer, 3),
    Is: optional(boolean),
    Kind: withDefault(oneOf('a', 'b'), 'a'),
    Items: items('Item', text),
  })
  const read = (document: string) => shape.read(parse(document), '')

  test('reads what is there and fills in what is not', () => {
    expect(read('<x><Name>n</Name><Items><Item>1</Item><Item>2</Item></Items></x>')).toEqual({
      Name: 'n',
      Count: 3,
      Is: undefined,
      Kind: 'a',
      Items: ['1', '2'],
    })
  })

  test.each([
    ['<x/>', 'Name is required.'],
    ['<x><Name>n</Name><Other>1</Other></x>', 'Other is not supported here: it is not known.'],
    ['<x><Name>n</Name><Name>m</Name></x>', 'Name stands there twice.'],
    ['<x><Name>n</Name><Count>many</Count></x>', 'Count is "many", not a whole number.'],
    ['<x><Name>n</Name><Is>1</Is></x>', 'Is is "1", not true or false.'],
    ['<x><Name>n</Name><Kind>c</Kind></x>', 'Kind is "c", not one of a, b.'],
    ['<x><Name><a/></Name></x>', 'Name holds a text, not elements.'],
    ['<x><Name>n</Name><Items><Thing/></Items></x>', 'Items holds Item, not Thing.'],
  ])('refuses %s', (document, message) => {
    expect(() => read(document)).toThrow(message)
  })
})
