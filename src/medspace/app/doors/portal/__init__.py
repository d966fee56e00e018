"""The portal: pages for people, on the private listener, below /portal.

It is a client of the management API within the same process: what a page shows or does, it asks there as the person
who is signed in, so that no page can do what the person's roles do not let them. Features bring their pages
(`Feature.pages`); this folder has what all pages share: signing in, the frame, the way in and out.
"""
