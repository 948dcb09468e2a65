module greenloop-bench/peer

go 1.19
