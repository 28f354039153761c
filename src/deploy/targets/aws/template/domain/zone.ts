import type { Project } from '../../../../../config/project.ts'
import { getAtt, type Resource, ref, sub, type TemplateFragment, type Value } from '../fragment.ts'
import { projectTagList } from '../tags.ts'

const ZONE_ID = 'HostedZone'
const KEY_ID = 'DnssecKey'

const note = (...notes: string[]) => ({ Mokapot: { Notes: notes } })
/** A key that goes takes the domain with it. */
const KEPT = { DeletionPolicy: 'RetainExceptOnCreate', UpdateReplacePolicy: 'Retain' } as const

/** Names that the certificate is for and the distribution answers to. */
export const siteNames = ({ aws }: Project, domain: string): string[] => [
  domain,
  `www.${domain}`,
  // Files of classic mode have no previews.
  ...(aws.mode === 'classic' ? [] : [`*.preview.${domain}`]),
]

/** Zone, keys and certificate of a domain. */
export function domainFragments(project: Project, domain: string): TemplateFragment[] {
  const { hostedZoneId, hasDnssec } = project.aws
  const zone = hostedZoneId ?? ref(ZONE_ID)
  return [
    ...(hostedZoneId === undefined ? [hostedZone(project, domain)] : []),
    ...(hasDnssec ? [signing(project, domain, zone)] : []),
    certificate(project, domain, zone),
    {
      resources: {},
      outputs: { HostedZoneId: { Description: 'Zone of the domain', Value: zone } },
    },
  ]
}

function hostedZone(project: Project, domain: string): TemplateFragment {
  return {
    resources: {
      [ZONE_ID]: {
        Type: 'AWS::Route53::HostedZone',
        // Where the certificate waits in vain, too: the registrar may know its name servers already.
        DeletionPolicy: 'Retain',
        UpdateReplacePolicy: 'Retain',
        Properties: {
          Name: domain,
          HostedZoneConfig: { Comment: `Project "${project.name}", made by Mokapot` },
          HostedZoneTags: projectTagList(project),
        },
        Metadata: note(
          'Tell your registrar the name servers of this zone; the certificate waits for that.',
          'Stays when the stack goes, or fails to come up. Name it in aws.hostedZoneId to use it again.',
        ),
      },
    },
    outputs: {
      NameServers: {
        Description: 'What the registrar has to be told',
        Value: { 'Fn::Join': [',', getAtt(ZONE_ID, 'NameServers')] },
      },
    },
  }
}

/** Route 53 signs the zone by a key that KMS keeps, which has to be in us-east-1. */
function signing(project: Project, domain: string, zone: Value): TemplateFragment {
  const dnssec: Resource = {
    Type: 'AWS::Route53::DNSSEC',
    ...KEPT,
    DependsOn: ['KeySigningKey'],
    Properties: { HostedZoneId: zone },
    Metadata: note(
      'Give the registrar the DS record: aws route53 get-dnssec --hosted-zone-id ZONE',
      'Before signing ends, the DS record has to be gone for as long as its TTL says.',
    ),
  }
  return {
    resources: {
      [KEY_ID]: {
        Type: 'AWS::KMS::Key',
        ...KEPT,
        Properties: {
          Description: `Signs the zone of ${domain}`,
          KeySpec: 'ECC_NIST_P256',
          KeyUsage: 'SIGN_VERIFY',
          KeyPolicy: { Version: '2012-10-17', Statement: keyPolicy() },
          Tags: projectTagList(project),
        },
      },
      KeySigningKey: {
        Type: 'AWS::Route53::KeySigningKey',
        ...KEPT,
        Properties: {
          HostedZoneId: zone,
          KeyManagementServiceArn: getAtt(KEY_ID, 'Arn'),
          Name: 'mokapot',
          Status: 'ACTIVE',
        },
      },
      Dnssec: dnssec,
    },
  }
}

/** As Route 53's manual has it: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/access-control-managing-permissions.html */
function keyPolicy(): Value {
  const Principal = { Service: 'dnssec-route53.amazonaws.com' }
  const StringEquals = { 'aws:SourceAccount': ref('AWS::AccountId') }
  return [
    {
      Sid: 'AccountManagesKey',
      Effect: 'Allow',
      Principal: { AWS: sub(`arn:\${AWS::Partition}:iam::\${AWS::AccountId}:root`) },
      Action: 'kms:*',
      Resource: '*',
    },
    {
      Sid: 'Route53Signs',
      Effect: 'Allow',
      Principal,
      Action: ['kms:DescribeKey', 'kms:GetPublicKey', 'kms:Sign'],
      Resource: '*',
      Condition: {
        StringEquals,
        ArnLike: { 'aws:SourceArn': sub(`arn:\${AWS::Partition}:route53:::hostedzone/*`) },
      },
    },
    {
      Sid: 'Route53KeepsGrant',
      Effect: 'Allow',
      Principal,
      Action: 'kms:CreateGrant',
      Resource: '*',
      Condition: { StringEquals, Bool: { 'kms:GrantIsForAWSResource': true } },
    },
  ]
}

function certificate(project: Project, domain: string, zone: Value): TemplateFragment {
  const [DomainName, ...others] = siteNames(project, domain)
  return {
    resources: {
      Certificate: {
        Type: 'AWS::CertificateManager::Certificate',
        Properties: {
          DomainName,
          SubjectAlternativeNames: others,
          ValidationMethod: 'DNS',
          DomainValidationOptions: [domain, ...others].map(name => ({
            DomainName: name,
            HostedZoneId: zone,
          })),
          Tags: projectTagList(project),
        },
        Metadata: note('Renewed by AWS as long as its records in the zone stay.'),
      },
    },
    outputs: {
      CertificateArn: { Description: 'For the distribution', Value: ref('Certificate') },
    },
  }
}
