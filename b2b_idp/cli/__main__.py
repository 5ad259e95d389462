"""`python -m b2b_idp.cli`."""

from b2b_idp.cli.main import main

main()
