"""One command: from photographs to an adapted network and its report."""
