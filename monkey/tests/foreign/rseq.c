/* A library with an area for restartable sequences of its own, as some allocators have. */
__thread int __rseq_abi[8];
