"""The machine and the process: what the processor computes, the network, how a process ends."""
