// src/install (docs/spec/cni.md section 3: install pass, validity, writing, watch and repair, clean-up) is written by the
// lead and comes with its tests; everything else of the agent is still to come.
export {}
