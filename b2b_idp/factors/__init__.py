"""What the resource tenant can challenge a guest with, and the mails that go with it. No Flask."""
