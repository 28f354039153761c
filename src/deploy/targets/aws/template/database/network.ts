import type { Project } from '../../../../../config/project.ts'
import {
  getAtt,
  type Resource,
  ref,
  select,
  sub,
  type TemplateFragment,
  tagList,
  type Value,
} from '../fragment.ts'
import { projectTags } from '../tags.ts'

const POSTGRES_PORT = 5432
const SUBNETS = ['SubnetA', 'SubnetB'] as const
const SUBNET_BLOCKS = ['10.73.0.0/20', '10.73.16.0/20'] as const

/**
 * `VpcConfig` of a function beside the database. It reaches hosts that have IPv6 through a gateway
 * that costs nothing; those that have IPv4 alone would take a NAT gateway, which is never made.
 */
export const NETWORK_ACCESS: Value = {
  Ipv6AllowedForDualStack: true,
  SecurityGroupIds: [getAtt('FunctionsSecurityGroup', 'GroupId')],
  SubnetIds: SUBNETS.map(ref),
}
/** Where the database stands. */
export const DATABASE_SECURITY_GROUPS: Value = [getAtt('DatabaseSecurityGroup', 'GroupId')]
export const DATABASE_SUBNETS: Value = SUBNETS.map(ref)

/** A network of two zones that nobody comes into from outside. */
export function networkFragment(project: Project): TemplateFragment {
  const named = (name: string): Value =>
    tagList({ Name: `mokapot-${project.name}-${name}`, ...projectTags(project) })
  const resources: Record<string, Resource> = {
    Network: {
      Type: 'AWS::EC2::VPC',
      Properties: {
        CidrBlock: '10.73.0.0/16',
        EnableDnsSupport: true,
        EnableDnsHostnames: true,
        Tags: named('network'),
      },
    },
    NetworkIpv6: {
      Type: 'AWS::EC2::VPCCidrBlock',
      Properties: { VpcId: ref('Network'), AmazonProvidedIpv6CidrBlock: true },
    },
    Egress: {
      Type: 'AWS::EC2::EgressOnlyInternetGateway',
      Properties: { VpcId: ref('Network'), Tags: named('egress') },
    },
    Routes: {
      Type: 'AWS::EC2::RouteTable',
      Properties: { VpcId: ref('Network'), Tags: named('routes') },
    },
    EgressRoute: {
      Type: 'AWS::EC2::Route',
      Properties: {
        RouteTableId: ref('Routes'),
        DestinationIpv6CidrBlock: '::/0',
        EgressOnlyInternetGatewayId: ref('Egress'),
      },
    },
    S3Endpoint: {
      Type: 'AWS::EC2::VPCEndpoint',
      Properties: {
        VpcId: ref('Network'),
        VpcEndpointType: 'Gateway',
        ServiceName: sub(`com.amazonaws.\${AWS::Region}.s3`),
        RouteTableIds: [ref('Routes')],
        Tags: named('s3'),
      },
    },
  }
  for (const [index, id] of SUBNETS.entries()) {
    resources[id] = {
      Type: 'AWS::EC2::Subnet',
      DependsOn: ['NetworkIpv6'],
      Properties: {
        VpcId: ref('Network'),
        AvailabilityZone: select(index, { 'Fn::GetAZs': '' }),
        CidrBlock: SUBNET_BLOCKS[index],
        Ipv6CidrBlock: select(index, {
          'Fn::Cidr': [select(0, getAtt('Network', 'Ipv6CidrBlocks')), SUBNETS.length, 64],
        }),
        Tags: named(`subnet-${'ab'[index]}`),
      },
    }
    resources[`${id}Routes`] = {
      Type: 'AWS::EC2::SubnetRouteTableAssociation',
      Properties: { RouteTableId: ref('Routes'), SubnetId: ref(id) },
    }
  }
  return { resources: { ...resources, ...securityGroups(named) } }
}

function securityGroups(named: (name: string) => Value): Record<string, Resource> {
  return {
    FunctionsSecurityGroup: {
      Type: 'AWS::EC2::SecurityGroup',
      Properties: {
        GroupDescription: 'Functions: nobody comes in, they go anywhere',
        VpcId: ref('Network'),
        SecurityGroupEgress: [
          { IpProtocol: '-1', CidrIp: '0.0.0.0/0', Description: 'IPv4, which leads to S3 alone' },
          { IpProtocol: '-1', CidrIpv6: '::/0', Description: 'IPv6' },
        ],
        Tags: named('functions'),
      },
    },
    DatabaseSecurityGroup: {
      Type: 'AWS::EC2::SecurityGroup',
      Properties: {
        GroupDescription: 'Database: functions come in, it goes nowhere',
        VpcId: ref('Network'),
        SecurityGroupIngress: [
          {
            IpProtocol: 'tcp',
            FromPort: POSTGRES_PORT,
            ToPort: POSTGRES_PORT,
            SourceSecurityGroupId: getAtt('FunctionsSecurityGroup', 'GroupId'),
            Description: 'Functions',
          },
        ],
        // Without a rule of ours, EC2 would let it go anywhere.
        SecurityGroupEgress: [
          { IpProtocol: 'icmp', FromPort: -1, ToPort: -1, CidrIp: '127.0.0.1/32' },
        ],
        Tags: named('database'),
      },
    },
  }
}
