"""What the OpenID Foundation's conformance suite asks, a test for each condition, which its marker names:

    @conformance("oidcc-prompt-login")

and, here as in any other room, which RFC a test shows: `@rfc("9126", "2.1")`.
"""

from __future__ import annotations

import pytest

conformance = pytest.mark.conformance
rfc = pytest.mark.rfc
