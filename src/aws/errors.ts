import { formatXml, type XmlElement } from './xml/element.ts'

/** A refusal as AWS words it: clients act on `code`, people read `message`. */
export class AwsError extends Error {
  readonly code: string
  readonly status: number

  constructor(code: string, status: number, message: string) {
    super(message)
    this.name = 'AwsError'
    this.code = code
    this.status = status
  }
}

/** The body of an error in the REST-XML protocol; `namespace` is the service's. */
export function formatRestXmlError(error: AwsError, requestId: string, namespace: string): string {
  const leaf = (name: string, text: string): XmlElement => ({ name, text, children: [] })
  return formatXml(
    {
      name: 'ErrorResponse',
      text: '',
      children: [
        {
          name: 'Error',
          text: '',
          children: [
            leaf('Type', error.status >= 500 ? 'Receiver' : 'Sender'),
            leaf('Code', error.code),
            leaf('Message', error.message),
          ],
        },
        leaf('RequestId', requestId),
      ],
    },
    namespace,
  )
}
