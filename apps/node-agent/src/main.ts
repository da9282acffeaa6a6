// Written by the lead, each with its tests: src/install (docs/spec/cni.md section 3), src/eligibility.ts (4.3),
// src/find-netns/ (4.8: cgroup paths, the scan of /proc), src/work-queue.ts (4.5), src/event-server.ts (4.2).
// Everything else of the agent is still to come.
export {}
