export const namespace = 'bench'
export const httpPort = 8080
export const iperfPort = 5201

/** Not enrolled: with the mesh's five pods and the load's two there are 10 workloads. */
const bystander = (name: string): string => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace}, labels: { app: bystander, istio.io/dataplane-mode: none } }
spec:
  nodeSelector: { kubernetes.io/hostname: node-2 }
  terminationGracePeriodSeconds: 1
  containers: [{ name: idle, image: bench/idle }]`

/** The two ends of the load, one on each node, and who else is there; `mesh` enrols their namespace. */
export const loadPods = ({ mesh }: { mesh: boolean }): string => `
apiVersion: v1
kind: Namespace
metadata: { name: ${namespace}, labels: { istio.io/dataplane-mode: ${mesh ? 'ambient' : 'none'} } }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: client, namespace: ${namespace} }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: server, namespace: ${namespace} }
---
apiVersion: v1
kind: Pod
metadata: { name: client, namespace: ${namespace}, labels: { app: client } }
spec:
  serviceAccountName: client
  nodeSelector: { kubernetes.io/hostname: node-1 }
  terminationGracePeriodSeconds: 1
  containers: [{ name: idle, image: bench/idle }]
---
${bystander('bystander-1')}
---
${bystander('bystander-2')}
---
${bystander('bystander-3')}
---
apiVersion: v1
kind: Pod
metadata: { name: server, namespace: ${namespace}, labels: { app: server } }
spec:
  serviceAccountName: server
  nodeSelector: { kubernetes.io/hostname: node-2 }
  terminationGracePeriodSeconds: 1
  containers:
    - { name: http, image: bench/http-server, args: ["${httpPort}"], readinessProbe: { tcpSocket: { port: ${httpPort} } } }
    - { name: iperf3, image: bench/iperf3, args: ["-p", "${iperfPort}"] }
`

/** In force for every measured connection: one of each action, of each reach, and the one that lets the load through. */
export const policies: string = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: no-strangers, namespace: istio-system }
spec:
  action: DENY
  rules:
    - from:
        - source: { namespaces: [elsewhere, nowhere] }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: no-admin-ports, namespace: ${namespace} }
spec:
  action: DENY
  rules:
    - from:
        - source: { notPrincipals: [cluster.local/ns/${namespace}/sa/operator] }
      to:
        - operation: { ports: ["9000", "9001"] }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: server-from-client, namespace: ${namespace} }
spec:
  selector: { matchLabels: { app: server } }
  action: ALLOW
  rules:
    - from:
        - source: { principals: [cluster.local/ns/${namespace}/sa/operator] }
      to:
        - operation: { ports: ["443"] }
    - from:
        - source: { principals: [cluster.local/ns/${namespace}/sa/client] }
`
